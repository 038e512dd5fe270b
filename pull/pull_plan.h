// What a pull has to do, decided from what the origin lists and what the store has.
//
// Files with the same content become one blob of the plan. Deciding reads the store and changes
// nothing, so a dry run is a plan that is not carried out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"
#include "pull/model_source.h"
#include "pull/puller.h"

namespace castool::pull {

enum class Route {
  kReuse,         // the store has it
  kProve,         // the store has it, and the origin has to show that it has it, too (attach.h)
  kProveOrLater,  // the same for what a lazy pull would leave: what is not shown is left to readers
  kEmpty,         // no bytes, so nothing to ask for
  kWhole,   // one request for all of it: small, or not resumable because its sha256 is not known
  kRanges,  // parallel ranges into a partial
  kLater,   // left to whoever reads it, but for a header
};

struct PlannedBlob {
  std::vector<std::size_t> files;  // indices into RemoteModel::files that have this content
  std::uint64_t size = 0;
  Route route = Route::kWhole;
  std::optional<base::Digest> digest;  // as the origin says, or as an earlier pull found out
  std::optional<base::GitOid> git_oid;
};

// Whether a lazy pull may leave it to its readers.
[[nodiscard]] inline bool is_left(const PlannedBlob& blob) {
  return blob.route == Route::kLater || blob.route == Route::kProveOrLater;
}

struct PullPlan {
  std::vector<PlannedBlob> blobs;  // in the order of their first file
};

// A known digest of at most one chunk is fetched whole: one range would be all of it anyway.
[[nodiscard]] Route route_of(std::uint64_t size, bool in_store, bool digest_known, Extent extent);

// kBadManifest when the origin gives one content two sizes; kDigestMismatch when an empty file, or
// a blob that it delivered to the store, contradicts what the origin says.
[[nodiscard]] base::Result<PullPlan> make_plan(const cas::Store& store, const RemoteModel& model,
                                               Extent extent);

// Bytes that still have to be stored, without those that an unfinished pull of this origin has
// reserved already.
[[nodiscard]] base::Result<std::uint64_t> bytes_needed(const cas::Store& store,
                                                       const RemoteModel& model,
                                                       const PullPlan& plan);
// kNoSpace, with both numbers, when the store's file system has less than `wanted` and one percent.
[[nodiscard]] base::Status check_free_space(const cas::Store& store, std::uint64_t wanted);

}  // namespace castool::pull
