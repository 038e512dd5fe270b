// The chunk table of a partial: grammar, encoding and decoding. Pure; table_file.h does the I/O.
//
//   table   = header epoch pids records
//   header  = offset 0, 4096 bytes, written once before the partial gets its name:
//             "CASTABLE" u32:version(1) u32:chunk size u64:blob size 32:sha256
//             u32:origin length, origin (at most 2048 bytes), zeros, u64:XXH3 of the 4088 bytes
//             before
//   epoch   = offset 4096, 32 bytes, rewritten in place:
//             16:boot id u32:state(1 dirty, 2 clean) u32:0 u64:XXH3 of the 24 bytes
//             before
//   pids    = offset 4608, 256 times u32:pid; counts only while the slot's lock is held
//   records = offset 8192, one per chunk, 16 bytes, never across a page:
//             u64:XXH3 of the chunk u32:state check
//             state = 1 present, 0 absent in the low 8 bits; how often it was dropped above
//             check = u32: low half of XXH3 of the 12 bytes before, seeded with the chunk's index
//
// Numbers are little-endian. A record whose check fails reads as absent, so that a torn write, a
// hole and zeros all mean "fetch it again". Only the holder of the chunk's lock writes its record,
// and (drops, state) of a chunk only ever grows: a reader keeps the larger of what it saw.
//
// Locks are OFD locks (fcntl(2) F_OFD_SETLK) on bytes of the table far behind its end:
//   kLeadLock           exclusive: the process that hashes and publishes
//   kHolderLock         shared by everybody who has the partial open; exclusive: to remove it
//   kPidLock + slot     exclusive: the owner of pid slot `slot`
//   kClaimLock + chunk  exclusive: the one who may write that chunk or its record
//   kWantLock + chunk   shared by all who have a reader waiting for that chunk
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/digest.h"

namespace castool::cas {

inline constexpr std::size_t kHeaderSize = 4096;
inline constexpr std::size_t kMaxOrigin = 2048;
inline constexpr std::uint64_t kEpochOffset = 4096;
inline constexpr std::size_t kEpochSize = 32;
inline constexpr std::uint64_t kPidsOffset = 4608;
inline constexpr std::uint64_t kPidSlots = 256;
inline constexpr std::uint64_t kRecordsOffset = 8192;
inline constexpr std::size_t kRecordSize = 16;

inline constexpr std::uint64_t kLeadLock = std::uint64_t{1} << 40;
inline constexpr std::uint64_t kHolderLock = kLeadLock + 1;
inline constexpr std::uint64_t kPidLock = kLeadLock + 4096;
inline constexpr std::uint64_t kClaimLock = std::uint64_t{1} << 41;
inline constexpr std::uint64_t kWantLock = std::uint64_t{1} << 42;

struct TableHeader {
  base::Digest digest;
  std::uint64_t size = 0;
  std::string origin;  // at most kMaxOrigin bytes

  friend bool operator==(const TableHeader&, const TableHeader&) = default;
};

using BootId = std::array<std::byte, 16>;

enum class EpochState : std::uint32_t {
  kDirty = 1,  // bytes may have been written that are not on disk yet
  kClean = 2,  // closed after everything was synced
};

struct Epoch {
  BootId boot{};
  EpochState state = EpochState::kDirty;

  friend bool operator==(const Epoch&, const Epoch&) = default;
};

enum class ChunkState : std::uint8_t { kAbsent = 0, kPresent = 1 };

struct ChunkRecord {
  std::uint64_t xxh3 = 0;
  std::uint32_t drops = 0;  // 24 bits
  ChunkState state = ChunkState::kAbsent;

  [[nodiscard]] bool present() const { return state == ChunkState::kPresent; }
  // Whether this is what came after `other` in the life of one chunk.
  [[nodiscard]] bool newer_than(const ChunkRecord& other) const {
    return drops != other.drops ? drops > other.drops : state > other.state;
  }
  friend bool operator==(const ChunkRecord&, const ChunkRecord&) = default;
};

// The record that follows when `record`'s chunk is dropped.
[[nodiscard]] ChunkRecord dropped(const ChunkRecord& record);

[[nodiscard]] std::array<std::byte, kHeaderSize> encode_header(const TableHeader& header);
// nullopt: damaged, cut short, or of a version or chunk size that is not ours.
[[nodiscard]] std::optional<TableHeader> decode_header(std::span<const std::byte> bytes);

[[nodiscard]] std::array<std::byte, kEpochSize> encode_epoch(const Epoch& epoch);
[[nodiscard]] std::optional<Epoch> decode_epoch(std::span<const std::byte> bytes);
// Whether chunks that a table of this epoch calls present may have lost their bytes since, as seen
// by a process of boot `now`. A boot id of zeros is one that could not be read.
[[nodiscard]] bool may_have_lost_bytes(const std::optional<Epoch>& epoch, const BootId& now);

[[nodiscard]] std::array<std::byte, kRecordSize> encode_record(std::uint64_t chunk,
                                                               const ChunkRecord& record);
// A damaged or short record is an absent chunk.
[[nodiscard]] ChunkRecord decode_record(std::uint64_t chunk, std::span<const std::byte> bytes);

// How many chunks a blob of `size` bytes has, and how long chunk `chunk` of it is.
[[nodiscard]] std::uint64_t chunk_count(std::uint64_t size);
[[nodiscard]] std::uint64_t chunk_length(std::uint64_t size, std::uint64_t chunk);

}  // namespace castool::cas
