#include "cas/checked_blob.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/hasher.h"
#include "cas/checksum.h"
#include "cas/chunk_table.h"
#include "cas/partial.h"
#include "cas/read_file.h"
#include "cas/stamp.h"
#include "cas/sums.h"

namespace castool::cas {
namespace {

constexpr std::size_t kBuffer = 256 << 10;
constexpr auto kLook = std::chrono::seconds(1);

// Gives [from, to) of a file to `take` in pieces; false when the file ends before.
template <class Take>
base::Result<bool> read_through(int fd, std::uint64_t from, std::uint64_t to, Take take) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(kBuffer, to - from));
  while (from < to) {
    const auto want = std::min<std::uint64_t>(buffer.size(), to - from);
    CASTOOL_ASSIGN(const std::size_t got, read_at(fd, from, std::span(buffer).first(want)));
    if (got == 0) return false;
    if (!take(std::span<const std::byte>(buffer).first(got))) return false;
    from += got;
  }
  return true;
}

}  // namespace

CheckedBlob::CheckedBlob(Store& store, Blob blob)
    : store_(store), blob_(std::move(blob)), chunks_(chunk_count(blob_.size)), state_(chunks_) {
  if (auto sums = read_sums(store.dir(), blob_.digest, blob_.size)) {
    sums_ = *std::move(sums);
  } else {
    whole_ = Whole::kNeeded;
  }
}

base::Status CheckedBlob::check(const base::ByteRange& range) {
  const base::ByteRange inside = base::ByteRange{0, blob_.size}.intersect(range);
  if (inside.empty()) return base::ok();
  const std::uint64_t last = (inside.end() - 1) / kChunkSize;
  for (std::uint64_t chunk = inside.offset / kChunkSize; chunk <= last; ++chunk) {
    if (state_[chunk].load(std::memory_order_acquire) == ChunkCheck::kGood) continue;
    CASTOOL_RETURN_IF_ERROR(ensure_sums({}));
    CASTOOL_RETURN_IF_ERROR(check_chunk(chunk));
  }
  return base::ok();
}

base::Status CheckedBlob::check_all(const std::stop_token& stop) {
  CASTOOL_RETURN_IF_ERROR(ensure_sums(stop));
  base::Status result = base::ok();
  for (std::uint64_t chunk = 0; chunk < chunks_; ++chunk) {
    if (stop.stop_requested()) return base::make_error(base::Code::kCancelled, "interrupted");
    if (base::Status status = check_chunk(chunk); !status && result) result = status;
  }
  if (!result) return result;
  const base::Status stamped =
      write_stamp(store_.files(), store_.dir(), blob_.digest, blob_.fd.get());
  if (!stamped) store_.log().debug("no stamp: {}", stamped.error().text());
  return base::ok();
}

base::Status CheckedBlob::check_chunk(std::uint64_t chunk) {
  const base::ByteRange where{chunk * kChunkSize, chunk_length(blob_.size, chunk)};
  switch (state_[chunk].load(std::memory_order_acquire)) {
    case ChunkCheck::kGood: return base::ok();
    case ChunkCheck::kBad: return damaged(where);
    case ChunkCheck::kUnknown: break;
  }
  CASTOOL_ASSIGN(const bool good, matches(chunk));
  learn(chunk, good ? ChunkCheck::kGood : ChunkCheck::kBad);
  if (!good) return damaged(where);
  return base::ok();
}

base::Result<bool> CheckedBlob::matches(std::uint64_t chunk) const {
  const std::uint64_t from = chunk * kChunkSize;
  Xxh3Stream checksum;
  CASTOOL_ASSIGN(const bool whole,
                 read_through(blob_.fd.get(), from, from + chunk_length(blob_.size, chunk),
                              [&](std::span<const std::byte> bytes) {
                                checksum.update(bytes);
                                return true;
                              }));
  return whole && checksum.finish() == sums_[chunk];
}

void CheckedBlob::learn(std::uint64_t chunk, ChunkCheck found) {
  const ChunkCheck before = state_[chunk].exchange(found, std::memory_order_acq_rel);
  if (found == ChunkCheck::kGood && before != ChunkCheck::kGood) ++good_count_;
}

base::Status CheckedBlob::ensure_sums(const std::stop_token& stop) {
  {
    const base::MutexLock lock(mutex_);
    while (whole_ == Whole::kRunning) {
      if (stop.stop_requested()) return base::make_error(base::Code::kCancelled, "interrupted");
      (void)changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kLook);
    }
    if (whole_ == Whole::kNotNeeded) return base::ok();
    whole_ = Whole::kRunning;
  }
  base::Status hashed = hash_whole(stop);
  const base::MutexLock lock(mutex_);
  whole_ = hashed ? Whole::kNotNeeded : Whole::kNeeded;
  changed_.notify_all();
  return hashed;
}

// The checksums of the bytes as they are, kept only when those bytes are the blob.
base::Status CheckedBlob::hash_whole(const std::stop_token& stop) {
  base::Sha256 sha256;
  Xxh3Stream checksum;
  std::vector<std::uint64_t> sums;
  std::uint64_t at = 0;
  CASTOOL_ASSIGN(const bool whole,
                 read_through(blob_.fd.get(), 0, blob_.size, [&](std::span<const std::byte> bytes) {
                   sha256.update(bytes);
                   while (!bytes.empty()) {
                     const auto part = bytes.first(
                         std::min<std::uint64_t>(bytes.size(), kChunkSize - at % kChunkSize));
                     checksum.update(part);
                     at += part.size();
                     if (at % kChunkSize == 0 || at == blob_.size)
                       sums.push_back(checksum.finish());
                     bytes = bytes.subspan(part.size());
                   }
                   return !stop.stop_requested();
                 }));
  if (stop.stop_requested()) return base::make_error(base::Code::kCancelled, "interrupted");
  if (!whole || sha256.finish() != blob_.digest) return damaged({0, blob_.size});
  const base::Status written =
      write_sums(store_.files(), store_.dir(), blob_.digest, blob_.size, sums);
  if (!written) store_.log().debug("no checksums: {}", written.error().text());
  sums_ = std::move(sums);
  for (std::uint64_t chunk = 0; chunk < chunks_; ++chunk) learn(chunk, ChunkCheck::kGood);
  return base::ok();
}

std::vector<base::ByteRange> CheckedBlob::bad_chunks() const {
  std::vector<base::ByteRange> bad;
  for (std::uint64_t chunk = 0; chunk < chunks_; ++chunk) {
    if (state_[chunk].load(std::memory_order_acquire) == ChunkCheck::kBad)
      bad.push_back({chunk * kChunkSize, chunk_length(blob_.size, chunk)});
  }
  return bad;
}

base::Error CheckedBlob::damaged(const base::ByteRange& where) const {
  base::Error error =
      base::make_error(base::Code::kDigestMismatch,
                       fmt::format("blob {} is damaged in the store: bytes {} to {}",
                                   blob_.digest.text(), where.offset, where.end() - 1),
                       "pull the model again");
  error.digest = blob_.digest.text();
  return error;
}

}  // namespace castool::cas
