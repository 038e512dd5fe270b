// Puts a bad blob right with as little traffic as possible: its good chunks become those of a new
// partial, the rest is fetched from its origin, and the whole is verified and published as any
// other download.
//
// Thread rule: one call for one blob at a time; several blobs beside each other.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "cas/partial.h"
#include "cas/store.h"
#include "pull/networks.h"
#include "pull/pinned_sources.h"

namespace castool::pull {

class BlobMender {
 public:
  BlobMender(cas::Store& store, Networks& networks, PinnedSources& sources, base::Log& log)
      : store_(store), networks_(networks), sources_(sources), log_(log) {}

  // The blob is not stored (any more); `old` is an open file of it with `bad` ranges, or -1.
  // Returns the bytes that came from the origin.
  [[nodiscard]] base::Result<std::uint64_t> mend(const BlobHome& home, const cas::PartialKey& key,
                                                 int old, const std::vector<base::ByteRange>& bad,
                                                 const std::stop_token& stop);

 private:
  [[nodiscard]] base::Status save_good(const cas::PartialKey& key, int old,
                                       const std::vector<base::ByteRange>& bad,
                                       const std::stop_token& stop);

  cas::Store& store_;
  Networks& networks_;
  PinnedSources& sources_;
  base::Log& log_;
};

// What is left of [0, size) without `bad`, which is in order. Pure.
[[nodiscard]] std::vector<base::ByteRange> good_ranges(std::uint64_t size,
                                                       const std::vector<base::ByteRange>& bad);

}  // namespace castool::pull
