// What an update would change, from what a ref names now and what its origin has.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cas/store.h"
#include "manifest/ref_record.h"
#include "pull/puller.h"

namespace castool::tools {

// A file as a ref names it. `digests` are all names of its content: "sha256:…", of regular files of
// a Hub also "git-sha1:…".
struct KnownFile {
  std::string path;
  std::vector<std::string> digests;
};
// Of the model and of what its options brought along, from the manifests in the store.
[[nodiscard]] base::Result<std::vector<KnownFile>> known_files(const cas::Store& store,
                                                               const manifest::RefRecord& record);

struct UpdateReport {
  std::vector<std::string> added, changed, removed;  // paths, in the order of their lists
  std::uint64_t bytes_to_fetch = 0;                  // each digest once
  [[nodiscard]] bool nothing() const { return added.empty() && changed.empty() && removed.empty(); }
};
// Pure.
[[nodiscard]] UpdateReport update_report(std::span<const KnownFile> was,
                                         std::span<const pull::PlannedFile> now);

}  // namespace castool::tools
