// What the refs of a store say should be there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cas/store.h"
#include "pull/fsck.h"
#include "pull/pinned_sources.h"

namespace castool::pull {

struct Wanted {
  BlobHome home;                      // a model that it can be fetched through
  std::optional<std::uint64_t> size;  // of a manifest it is not known
  bool is_manifest = false;
  bool must_be_there = false;  // a ref that is complete names it
  std::string source;          // of that ref
  std::string ns;
};
using Catalogue = std::map<base::Digest, Wanted>;

// Of all namespaces, or of the refs that `options` names (kNotFound when one of these is not
// there). What cannot be read is added to `damaged`.
[[nodiscard]] base::Result<Catalogue> read_catalogue(const cas::Store& store,
                                                     const FsckOptions& options,
                                                     std::vector<Damage>& damaged);

}  // namespace castool::pull
