// Garbage collection: deletes what no ref, no running work and no open file needs.
//
//   1. One gc at a time; another is kBusy.
//   2. What is read of leases and refs to decide is read while nobody can add to a lease: pulls
//      that want to wait until this is over, seconds at most. Mounts and readers never wait.
//   3. A ref that goes is durably gone before its blobs go. Killed anywhere, this leaves garbage
//      and never a ref without what it had.
//   4. When a ref's record or manifest cannot be read nothing is deleted at all: nobody knows what
//      it needs (kBadManifest).
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "cas/store.h"
#include "pull/reachability.h"

namespace castool::pull {

enum class GcMode { kDelete, kOnlyTell };

struct GcOptions {
  GcMode mode = GcMode::kDelete;
  PartialAge partials = PartialAge::kOld;
  std::optional<std::uint64_t> max_bytes;  // blobs and partials together
};

struct GcItem {
  enum class Kind { kRef, kBlob, kPartial, kQuarantined };
  Kind kind = Kind::kBlob;
  std::string what;  // "ns name", or a digest as text, or a file's name
  std::uint64_t bytes = 0;
  Why why = Why::kNoRef;
};

struct GcReport {
  std::vector<GcItem> items;  // what went, or would go, in that order
  std::uint64_t removed_refs = 0;
  std::uint64_t removed_blobs = 0;
  std::uint64_t freed_bytes = 0;
  std::uint64_t bytes_left = 0;  // blobs and partials
};

// A store that was opened for reading can be told about (kOnlyTell).
[[nodiscard]] base::Result<GcReport> collect_garbage(cas::Store& store, const GcOptions& options,
                                                     const std::stop_token& stop);

}  // namespace castool::pull
