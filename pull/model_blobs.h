// The files of a model that is named here, from the manifest that the store keeps, and how much of
// them is here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"
#include "manifest/ref_record.h"

namespace castool::pull {

struct ModelBlob {
  std::string path;  // of the Hub: in the repository; of a registry: the digest as text
  base::Digest digest;
  std::uint64_t size = 0;
};

// In the manifest's order; a registry's layers once each, files of a Hub as often as they are
// named.
[[nodiscard]] base::Result<std::vector<ModelBlob>> model_blobs(const cas::Store& store,
                                                               manifest::ModelKind kind,
                                                               const base::Digest& manifest);

struct Presence {
  manifest::RefState state = manifest::RefState::kComplete;  // kComplete or kPartial
  std::uint64_t bytes = 0;   // in the store, and in unfinished blobs of that origin
  std::uint64_t stored = 0;  // in the store
};

// Each digest counts once, and as absent while `may_read` says no to the stored blob.
using MayRead = std::function<bool(const base::Digest&)>;
[[nodiscard]] base::Result<Presence> presence_of(const cas::Store& store,
                                                 const std::vector<ModelBlob>& blobs,
                                                 const std::string& origin,
                                                 const MayRead& may_read);

}  // namespace castool::pull
