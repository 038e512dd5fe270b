#include "cas/chunk_map.h"

#include <algorithm>

#include "cas/partial.h"

namespace castool::cas {

ChunkMap::ChunkMap(std::uint64_t blob_size)
    : blob_size_(blob_size), records_(chunk_count(blob_size)), held_(records_.size(), false) {}

std::uint64_t ChunkMap::length(std::uint64_t chunk) const {
  return chunk_length(blob_size_, chunk);
}

ChunkRun ChunkMap::touched_by(const base::ByteRange& range) const {
  const base::ByteRange inside = range.intersect({0, blob_size_});
  if (inside.empty()) return {std::min(range.offset / kChunkSize, count()), 0};
  const std::uint64_t first = inside.offset / kChunkSize;
  return {first, (inside.end() - 1) / kChunkSize + 1 - first};
}

base::ByteRange ChunkMap::bytes_of(const ChunkRun& run) const {
  const std::uint64_t begin = run.first * kChunkSize;
  return {begin, std::min(run.end() * kChunkSize, blob_size_) - begin};
}

void ChunkMap::merge(std::uint64_t chunk, const ChunkRecord& record) {
  ChunkRecord& known = records_[chunk];
  if (!record.newer_than(known)) return;
  const bool was = known.present();
  drops_ += record.drops - known.drops;
  known = record;
  if (record.present() && !was) {
    ++present_count_;
    bytes_present_ += length(chunk);
    while (prefix_chunks_ < records_.size() && records_[prefix_chunks_].present()) {
      ++prefix_chunks_;
    }
  } else if (!record.present() && was) {
    --present_count_;
    bytes_present_ -= length(chunk);
    prefix_chunks_ = std::min(prefix_chunks_, chunk);
  }
}

std::optional<ChunkRun> ChunkMap::next_free(std::uint64_t from, std::uint64_t end,
                                            std::uint64_t most) const {
  end = std::min<std::uint64_t>(end, records_.size());
  const auto free = [&](std::uint64_t chunk) {
    return !records_[chunk].present() && !held_[chunk];
  };
  // Nothing is missing before the front, and a long table need not be walked to learn that.
  from = std::max(from, prefix_chunks_);
  while (from < end && !free(from)) ++from;
  if (from >= end) return std::nullopt;
  ChunkRun run{from, 1};
  while (run.count < most && run.end() < end && free(run.end())) ++run.count;
  return run;
}

bool ChunkMap::hold(const ChunkRun& run) {
  for (std::uint64_t chunk = run.first; chunk < run.end(); ++chunk) {
    if (held_[chunk]) return false;
  }
  for (std::uint64_t chunk = run.first; chunk < run.end(); ++chunk) held_[chunk] = true;
  held_count_ += run.count;
  return true;
}

void ChunkMap::release(const ChunkRun& run) {
  for (std::uint64_t chunk = run.first; chunk < run.end(); ++chunk) held_[chunk] = false;
  held_count_ -= run.count;
}

bool ChunkMap::present(const base::ByteRange& range) const {
  if (range.end() > blob_size_) return false;
  const ChunkRun run = touched_by(range);
  for (std::uint64_t chunk = run.first; chunk < run.end(); ++chunk) {
    if (!records_[chunk].present()) return false;
  }
  return true;
}

std::uint64_t ChunkMap::prefix_bytes() const {
  return std::min(prefix_chunks_ * kChunkSize, blob_size_);
}

}  // namespace castool::cas
