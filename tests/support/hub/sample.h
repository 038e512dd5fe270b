// The models of the sample origin, made from nothing: always the same bytes.
//
//   sample/tiny-gguf       a repository with one small GGUF
//   sample/tiny-ir         a repository as OpenVINO's exporter leaves it, with a nested directory,
//   odd
//                          names and an empty file
//   library/tiny:latest    a registry model over the same GGUF
#pragma once

#include <filesystem>

#include "tests/support/hub/catalog.h"

namespace castool::hub {

class Sample {
 public:
  Sample();

  void add_to(Catalog& catalog, std::uint64_t lfs_threshold) const;
  // The same as plain files in the layout of catalog.h; throws std::exception.
  void write_to(const std::filesystem::path& root) const;

 private:
  Catalog::Contents gguf_files_;
  Catalog::Contents ir_files_;
  std::vector<std::shared_ptr<const Content>> layers_;
  std::string manifest_;
};

}  // namespace castool::hub
