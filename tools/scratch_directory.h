// A directory of its own that is gone, with all that is in it, when the value is dropped.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace castool::tools {

class ScratchDirectory {
 public:
  // Below TMPDIR or /tmp, mode 0700.
  [[nodiscard]] static base::Result<ScratchDirectory> create();
  ~ScratchDirectory();
  ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved from
};

}  // namespace castool::tools
