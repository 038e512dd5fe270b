#include "cas/table_file.h"

#include <sys/stat.h>

#include <algorithm>

#include "cas/little_endian.h"
#include "cas/read_file.h"

namespace castool::cas {
namespace {

// A claim lock of no chunk at all is still a lock, so that an empty blob has one publisher.
base::ByteRange claim_bytes(const ChunkRun& run) {
  return {kClaimLock + run.first, std::max<std::uint64_t>(run.count, 1)};
}

std::uint64_t record_offset(std::uint64_t chunk) { return kRecordsOffset + chunk * kRecordSize; }

}  // namespace

BootId current_boot_id() {
  BootId id{};
  const auto fd = open_for_reading(AT_FDCWD, "/proc/sys/kernel/random/boot_id");
  if (!fd || !*fd) return id;
  std::array<std::byte, 36> text{};
  const auto got = read_at((*fd)->get(), 0, text);
  if (!got || *got != text.size()) return id;
  std::size_t digits = 0;
  for (const std::byte byte : text) {
    const char c = std::to_integer<char>(byte);
    if (c == '-') continue;
    if (digits >= 2 * id.size()) break;
    const int value = c >= 'a' ? c - 'a' + 10 : c - '0';
    id[digits / 2] = id[digits / 2] << 4 | static_cast<std::byte>(value & 0xf);
    ++digits;
  }
  return id;
}

base::Result<std::optional<TableHeader>> TableFile::read_header() const {
  std::vector<std::byte> bytes(kHeaderSize);
  CASTOOL_ASSIGN(const std::size_t got, read_at(fd(), 0, bytes));
  return decode_header(std::span(bytes).first(got));
}

base::Result<std::optional<Epoch>> TableFile::read_epoch() const {
  std::array<std::byte, kEpochSize> bytes{};
  CASTOOL_ASSIGN(const std::size_t got, read_at(fd(), kEpochOffset, bytes));
  return decode_epoch(std::span(bytes).first(got));
}

base::Result<std::vector<ChunkRecord>> TableFile::read_records(const ChunkRun& run) const {
  std::vector<std::byte> bytes(run.count * kRecordSize);
  CASTOOL_ASSIGN(const std::size_t got, read_at(fd(), record_offset(run.first), bytes));
  std::vector<ChunkRecord> records(run.count);
  for (std::uint64_t i = 0; (i + 1) * kRecordSize <= got; ++i) {
    records[i] =
        decode_record(run.first + i, std::span(bytes).subspan(i * kRecordSize, kRecordSize));
  }
  return records;
}

base::Result<std::vector<int>> TableFile::read_pids() const {
  std::vector<std::byte> slots(kPidSlots * 4);
  CASTOOL_ASSIGN(const std::size_t got, read_at(fd(), kPidsOffset, slots));
  std::vector<int> pids;
  for (std::uint64_t slot = 0; (slot + 1) * 4 <= got; ++slot) {
    const auto pid = get_le<std::uint32_t>(slots, slot * 4);
    if (pid == 0) continue;  // never used
    // Slot by slot: of a longer range the kernel tells some lock, not the first.
    CASTOOL_ASSIGN(const auto locked, find_conflict(fd(), {kPidLock + slot, 1}));
    if (locked) pids.push_back(static_cast<int>(pid));
  }
  return pids;
}

base::Status TableFile::write_epoch(const Epoch& epoch) const {
  return files_->write_at(fd(), kEpochOffset, encode_epoch(epoch));
}

base::Status TableFile::write_record(std::uint64_t chunk, const ChunkRecord& record) const {
  return files_->write_at(fd(), record_offset(chunk), encode_record(chunk, record));
}

base::Result<bool> TableFile::lock_chunks(const ChunkRun& run) const {
  return try_lock(fd(), claim_bytes(run), LockKind::kExclusive);
}

void TableFile::unlock_chunks(const ChunkRun& run) const { unlock(fd(), claim_bytes(run)); }

base::Result<std::optional<ChunkRun>> TableFile::claimed_by_others(const ChunkRun& run) const {
  CASTOOL_ASSIGN(const auto conflict, find_conflict(fd(), claim_bytes(run)));
  if (!conflict) return std::optional<ChunkRun>();
  const std::uint64_t first = std::max(conflict->offset, kClaimLock) - kClaimLock;
  return std::optional(ChunkRun{first, conflict->end() - kClaimLock - first});
}

// Wishes are hints: what cannot be said or seen costs the waiter time and nothing else.
void TableFile::mark_wanted(const ChunkRun& run) const {
  (void)try_lock(fd(), {kWantLock + run.first, run.count}, LockKind::kShared);
}

void TableFile::unmark_wanted(const ChunkRun& run) const {
  unlock(fd(), {kWantLock + run.first, run.count});
}

std::optional<std::uint64_t> TableFile::wanted_by_others(const ChunkRun& run) const {
  const auto conflict = find_conflict(fd(), {kWantLock + run.first, run.count});
  if (!conflict || !*conflict) return std::nullopt;
  // It may begin before the run.
  return std::max((*conflict)->offset, kWantLock + run.first) - kWantLock;
}

base::Result<bool> TableFile::lock_as_holder(LockKind kind) const {
  return try_lock(fd(), {kHolderLock, 1}, kind);
}

base::Status TableFile::announce_pid(int pid) const {
  // Starting at different slots keeps many processes from trying the same ones in turn.
  const auto start = static_cast<std::uint64_t>(pid) % kPidSlots;
  for (std::uint64_t i = 0; i < kPidSlots; ++i) {
    const std::uint64_t slot = (start + i) % kPidSlots;
    CASTOOL_ASSIGN(const bool mine, try_lock(fd(), {kPidLock + slot, 1}, LockKind::kExclusive));
    if (!mine) continue;
    std::array<std::byte, 4> bytes{};
    put_le(bytes, 0, static_cast<std::uint32_t>(pid));
    return files_->write_at(fd(), kPidsOffset + slot * 4, bytes);
  }
  return base::ok();
}

bool TableFile::linked() const {
  struct stat info = {};
  return ::fstat(fd(), &info) == 0 && info.st_nlink > 0;
}

}  // namespace castool::cas
