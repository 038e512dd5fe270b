// What gc takes out of a store and why, decided from what it found there. Pure: gc.h does it.
//
// A blob stays when a ref of any namespace names it (by way of its manifest, which is a blob, too),
// when running work has leased it, or when somebody has it open. Refs go only where --max-size asks
// for it: the least recently used first, never pinned ones or such that are being read.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/digest.h"
#include "cas/sweep.h"

namespace castool::pull {

struct GcRef {
  std::string ns;
  std::string name;
  std::vector<std::string> origins;  // its own and those of its attachments
  bool pinned = false;
  std::int64_t last_used_at = 0;      // seconds since the epoch
  std::vector<base::Digest> digests;  // its manifests and all that they name, sorted
};

using BlobSizes = std::unordered_map<base::Digest, std::uint64_t>;
using Digests = std::unordered_set<base::Digest>;

// Indices into `refs` in the order in which they go, so that what is stored fits into `target`
// bytes, or nothing more can go. `fixed` bytes are there whatever goes (partials, blobs that are
// leased or open); `kept` are blobs that stay without a ref. `in_use` is asked for those whose turn
// has come, once each. One whose going would free nothing, since others that stay need all of it,
// stays.
[[nodiscard]] std::vector<std::size_t> refs_to_evict(
    std::span<const GcRef> refs, const BlobSizes& sizes, const Digests& kept, std::uint64_t fixed,
    std::uint64_t target, const std::function<bool(const GcRef&)>& in_use);

enum class PartialAge { kAny, kOld };
enum class Why {
  kNoRef,        // a blob that no ref names
  kEvicted,      // a ref, for --max-size
  kGarbage,      // a partial without a table
  kStored,       // a partial whose blob is there
  kAbandoned,    // a partial that nobody wrote to for a week
  kAskedFor,     // a partial, by --partials
  kQuarantined,  // a bad blob, moved away more than a week ago
};
[[nodiscard]] std::string_view word(Why why);

inline constexpr std::int64_t kPartialLifeSeconds = 7 * 24 * 60 * 60;

// Who may still be completed from a partial.
enum class NeededBy { kNobody, kRef, kEvictedRef };
// Why a partial goes; nullopt: it stays. A clock that was put back makes nothing old.
enum class BlobIs { kMissing, kStored };
[[nodiscard]] std::optional<Why> partial_goes(const cas::PartialEntry& partial, BlobIs blob,
                                              NeededBy needed, PartialAge which, std::int64_t now);

}  // namespace castool::pull
