// What gc has to know of the refs of a store.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "cas/store.h"
#include "pull/reachability.h"

namespace castool::pull {

// The digests that each manifest names, itself among them, remembered: manifests never change.
using ManifestDigests = std::unordered_map<base::Digest, std::vector<base::Digest>>;

struct GcRoots {
  std::vector<GcRef> refs;
  std::vector<std::string> records;  // of refs, as they were
};

// All refs of all namespaces as of one moment, if nobody may write refs meanwhile. kBadManifest: a
// record or manifest that cannot be read.
[[nodiscard]] base::Result<GcRoots> read_roots(const cas::Store& store, ManifestDigests& known);

}  // namespace castool::pull
