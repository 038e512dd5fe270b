// A stored blob whose bytes are compared with its checksums before anybody gets them, so that rot
// is found and not served.
//
// With a sidecar each chunk is compared by itself, at memory speed. Without one (a cache that was
// lost, or a blob of one chunk) the whole blob is hashed with SHA-256 first, once, and the sidecar
// is written anew. Comparing goes through the page cache, as reading does.
//
// Thread rule: every member is safe from any thread; chunks may be compared twice at once. The
// store outlives it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "base/byte_range.h"
#include "base/mutex.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::cas {

class CheckedBlob {
 public:
  CheckedBlob(Store& store, Blob blob);  // reads the sidecar
  CheckedBlob(const CheckedBlob&) = delete;
  CheckedBlob& operator=(const CheckedBlob&) = delete;

  [[nodiscard]] const Blob& blob() const { return blob_; }

  // Every chunk that `range` touches was compared since this value was made. kDigestMismatch: one
  // of them is wrong, now and whenever it is asked for again; bad_chunks() has it.
  [[nodiscard]] base::Status check(const base::ByteRange& range);
  // The rest, front to back; then the store knows the blob as good until the next boot. kCancelled.
  [[nodiscard]] base::Status check_all(const std::stop_token& stop);

  [[nodiscard]] bool all_good() const { return good_count_ == chunks_; }
  [[nodiscard]] std::vector<base::ByteRange> bad_chunks() const;

 private:
  enum class ChunkCheck : std::uint8_t { kUnknown, kGood, kBad };
  // Hashing the whole blob for want of a sidecar: one thread does it, others wait for the result.
  enum class Whole { kNotNeeded, kNeeded, kRunning };

  [[nodiscard]] base::Status check_chunk(std::uint64_t chunk);
  [[nodiscard]] base::Result<bool> matches(std::uint64_t chunk) const;
  [[nodiscard]] base::Status ensure_sums(const std::stop_token& stop);
  [[nodiscard]] base::Status hash_whole(const std::stop_token& stop);
  void learn(std::uint64_t chunk, ChunkCheck found);
  [[nodiscard]] base::Error damaged(const base::ByteRange& where) const;

  Store& store_;
  const Blob blob_;
  const std::uint64_t chunks_;
  std::vector<std::atomic<ChunkCheck>> state_;
  std::atomic<std::uint64_t> good_count_{0};

  base::Mutex mutex_;
  base::CondVar changed_;
  Whole whole_ CASTOOL_GUARDED_BY(mutex_) = Whole::kNotNeeded;
  std::vector<std::uint64_t> sums_;  // constant once whole_ is kNotNeeded
};

}  // namespace castool::cas
