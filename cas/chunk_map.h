// What one process knows about the chunks of a partial: which are present, which it works on. Pure
// bookkeeping without I/O; the owner serialises access.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/byte_range.h"
#include "cas/chunk_table.h"

namespace castool::cas {

struct ChunkRun {
  std::uint64_t first = 0;
  std::uint64_t count = 0;

  [[nodiscard]] std::uint64_t end() const { return first + count; }
  friend bool operator==(const ChunkRun&, const ChunkRun&) = default;
};

class ChunkMap {
 public:
  explicit ChunkMap(std::uint64_t blob_size);

  [[nodiscard]] std::uint64_t count() const { return records_.size(); }
  [[nodiscard]] std::uint64_t length(std::uint64_t chunk) const;
  // The chunks that `range` touches, none of them behind the last one.
  [[nodiscard]] ChunkRun touched_by(const base::ByteRange& range) const;
  [[nodiscard]] base::ByteRange bytes_of(const ChunkRun& run) const;

  // Takes over what the table says when that is newer than what is known.
  void merge(std::uint64_t chunk, const ChunkRecord& record);
  [[nodiscard]] const ChunkRecord& record(std::uint64_t chunk) const { return records_[chunk]; }

  // The first run of absent chunks that are not being worked on, in [from, end), at most `most`
  // long.
  [[nodiscard]] std::optional<ChunkRun> next_free(std::uint64_t from, std::uint64_t end,
                                                  std::uint64_t most) const;
  // Marks chunks as being worked on here; false, and nothing marked, if one of them is already.
  [[nodiscard]] bool hold(const ChunkRun& run);
  void release(const ChunkRun& run);
  [[nodiscard]] std::uint64_t held() const { return held_count_; }

  [[nodiscard]] bool present(const base::ByteRange& range) const;
  [[nodiscard]] bool complete() const { return present_count_ == records_.size(); }
  [[nodiscard]] std::uint64_t bytes_present() const { return bytes_present_; }
  // Bytes present without a gap from offset 0.
  [[nodiscard]] std::uint64_t prefix_bytes() const;
  // How often a chunk was dropped in the life of this partial.
  [[nodiscard]] std::uint64_t generation() const { return drops_; }

 private:
  std::uint64_t blob_size_;
  std::vector<ChunkRecord> records_;
  std::vector<bool> held_;
  std::uint64_t held_count_ = 0;
  std::uint64_t present_count_ = 0;
  std::uint64_t bytes_present_ = 0;
  std::uint64_t prefix_chunks_ = 0;
  std::uint64_t drops_ = 0;
};

}  // namespace castool::cas
