#include "cas/partial_file.h"

#include <sys/stat.h>

#include <cerrno>

#include "cas/checksum.h"
#include "cas/layout.h"
#include "cas/read_file.h"

namespace castool::cas {
namespace {

BackgroundSync::Limits sync_limits(const base::Clock& clock) {
  BackgroundSync::Limits limits;
  limits.every = clock.scaled(limits.every);
  return limits;
}

}  // namespace

PartialFile::PartialFile(Store& store, PartialKey key, Preallocate preallocate, Parts parts)
    : store_(store),
      files_(store.files()),
      key_(std::move(key)),
      preallocate_(preallocate),
      path_(partial_dir(key_.digest, key_.origin)),
      boot_(current_boot_id()),
      directory_(std::move(parts.directory)),
      table_(std::move(parts.table), files_),
      data_(std::move(parts.data)),
      map_(key_.size),
      synced_(map_.count(), false),
      background_([this] { sync_in_background(); }, sync_limits(store.clock())) {}

PartialFile::~PartialFile() {
  background_.stop();
  if (write_fd_ >= 0 && !published_) close_cleanly();
}

base::Status PartialFile::load() {
  CASTOOL_ASSIGN(const bool suspect, needs_recheck());
  CASTOOL_RETURN_IF_ERROR(refresh());
  if (suspect) CASTOOL_RETURN_IF_ERROR(recheck());
  const bool resumed = bytes_present() > 0;
  opened_generation_ = generation();
  // What an earlier process left may not be on disk yet; a sync at the start bounds what a later
  // failed one has to drop.
  if (resumed) background_.wrote(BackgroundSync::Limits{}.every_bytes);
  return base::ok();
}

base::Result<bool> PartialFile::needs_recheck() {
  CASTOOL_ASSIGN(const auto epoch, table_.read_epoch());
  struct stat info = {};
  if (::fstat(data_.get(), &info) != 0) return base::errno_error(errno, "stat " + path_);
  if (static_cast<std::uint64_t>(info.st_size) != key_.size) {
    // Cut or extended by something that is not us; the first writer sets the size again.
    return true;
  }
  return may_have_lost_bytes(epoch, boot_);
}

std::uint64_t PartialFile::chunk_count() const {
  const base::MutexLock lock(mutex_);
  return map_.count();
}

base::Status PartialFile::merge_records(const ChunkRun& run) {
  CASTOOL_ASSIGN(const auto records, table_.read_records(run));
  const base::MutexLock lock(mutex_);
  for (std::uint64_t i = 0; i < run.count; ++i) map_.merge(run.first + i, records[i]);
  return base::ok();
}

base::Result<std::uint64_t> PartialFile::refresh() {
  if (!published_) {
    CASTOOL_RETURN_IF_ERROR(merge_records({0, chunk_count()}));
    if (complete()) look_whether_published();
    // What its publisher wrote between the two looks; from now on nobody writes.
    if (published_) CASTOOL_RETURN_IF_ERROR(merge_records({0, chunk_count()}));
  }
  return bytes_present();
}

void PartialFile::look_whether_published() {
  struct stat blob = {};
  struct stat data = {};
  if (::fstatat(store_.dir(), blob_path(key_.digest).c_str(), &blob, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fstat(data_.get(), &data) != 0) {
    return;
  }
  const bool placed = blob.st_dev == data.st_dev && blob.st_ino == data.st_ino;
  // The blob had come from another origin first, and our publisher threw its own copy away.
  const bool given_up = data.st_nlink == 0;
  if (placed || given_up) published_ = true;
}

std::uint64_t PartialFile::bytes_present() const {
  const base::MutexLock lock(mutex_);
  return map_.bytes_present();
}

std::uint64_t PartialFile::contiguous_prefix() const {
  const base::MutexLock lock(mutex_);
  return map_.prefix_bytes();
}

bool PartialFile::present(const base::ByteRange& range) const {
  const base::MutexLock lock(mutex_);
  return map_.present(range);
}

bool PartialFile::complete() const {
  const base::MutexLock lock(mutex_);
  return map_.complete();
}

std::optional<std::vector<std::uint64_t>> PartialFile::checksums(
    const base::ByteRange& range) const {
  const base::MutexLock lock(mutex_);
  if (!map_.present(range)) return std::nullopt;
  const ChunkRun run = map_.touched_by(range);
  std::vector<std::uint64_t> sums;
  sums.reserve(run.count);
  for (std::uint64_t chunk = run.first; chunk < run.end(); ++chunk) {
    sums.push_back(map_.record(chunk).xxh3);
  }
  return sums;
}

std::uint64_t PartialFile::generation() const {
  const base::MutexLock lock(mutex_);
  return map_.generation();
}

base::Status PartialFile::write_data(std::uint64_t offset, std::span<const std::byte> bytes) {
  CASTOOL_RETURN_IF_ERROR(failure_so_far());
  const base::Status written = files_.write_at(write_fd_, offset, bytes);
  if (!written) return explain_no_space(written.error(), store_, key_.size - bytes_present());
  // Writeback in large aligned pieces as they fill up, so that the final sync finds little to do.
  constexpr std::uint64_t kPiece = 4 << 20;
  const std::uint64_t end = offset + bytes.size();
  if (offset / kPiece != end / kPiece) {
    files_.start_writeback(write_fd_, (end / kPiece - 1) * kPiece, kPiece);
  }
  background_.wrote(bytes.size());
  return base::ok();
}

base::Status PartialFile::record_chunk(std::uint64_t chunk, std::uint64_t xxh3) {
  ChunkRecord record;
  {
    const base::MutexLock lock(mutex_);
    // Bytes written before a failed sync may be lost although the writes succeeded.
    if (failed_) return *failed_;
    record = {xxh3, map_.record(chunk).drops, ChunkState::kPresent};
  }
  // A file system that cannot reserve room may be full by now for the table, too.
  const base::Status written = table_.write_record(chunk, record);
  if (!written) return explain_no_space(written.error(), store_, key_.size - bytes_present());
  const base::MutexLock lock(mutex_);
  map_.merge(chunk, record);
  return base::ok();
}

std::uint64_t PartialFile::chunk_bytes(std::uint64_t chunk) const {
  const base::MutexLock lock(mutex_);
  return map_.length(chunk);
}

base::Result<bool> PartialFile::drop_chunk(std::uint64_t chunk) {
  CASTOOL_ASSIGN(const auto hold, hold_chunk(chunk));
  if (!hold) return false;  // being written anew, or published
  return drop_held(chunk);
}

base::Result<bool> PartialFile::drop_held(std::uint64_t chunk) {
  CASTOOL_RETURN_IF_ERROR(merge_records({chunk, 1}));
  ChunkRecord next;
  {
    const base::MutexLock lock(mutex_);
    if (!map_.record(chunk).present()) return false;
    next = dropped(map_.record(chunk));
  }
  CASTOOL_RETURN_IF_ERROR(table_.write_record(chunk, next));
  const base::MutexLock lock(mutex_);
  map_.merge(chunk, next);
  synced_[chunk] = false;
  return true;
}

base::Status PartialFile::invalidate(const base::ByteRange& range) {
  look_whether_published();
  if (published_) return base::ok();
  ChunkRun run;
  {
    const base::MutexLock lock(mutex_);
    run = map_.touched_by(range);
  }
  for (std::uint64_t chunk = run.first; chunk < run.end(); ++chunk) {
    CASTOOL_RETURN_IF_ERROR(drop_chunk(chunk));
  }
  return base::ok();
}

base::Result<bool> PartialFile::chunk_is_good(std::uint64_t chunk, const ChunkRecord& record) {
  std::vector<std::byte> bytes(chunk_bytes(chunk));
  CASTOOL_ASSIGN(const std::size_t got, read_at(data_.get(), chunk * kChunkSize, bytes));
  return got == bytes.size() && xxh3(bytes) == record.xxh3;
}

base::Result<std::vector<base::ByteRange>> PartialFile::recheck() {
  std::vector<base::ByteRange> bad;
  const std::uint64_t chunks = chunk_count();
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
    ChunkRecord record;
    {
      const base::MutexLock lock(mutex_);
      record = map_.record(chunk);
    }
    if (!record.present()) continue;
    CASTOOL_ASSIGN(const bool good, chunk_is_good(chunk, record));
    if (good) continue;
    // Another process may have dropped and refilled it between the two reads: that one is judged by
    // the next recheck.
    CASTOOL_RETURN_IF_ERROR(merge_records({chunk, 1}));
    {
      const base::MutexLock lock(mutex_);
      if (map_.record(chunk) != record) continue;
    }
    CASTOOL_ASSIGN(const bool dropped_it, drop_chunk(chunk));
    if (dropped_it) bad.push_back({chunk * kChunkSize, chunk_bytes(chunk)});
  }
  return bad;
}

base::Result<std::optional<base::UniqueFd>> PartialFile::try_lead() {
  // An open of its own: the lock then lives exactly as long as the descriptor that is handed out.
  auto opened = files_.open(directory_.get(), kTableFile, O_RDWR);
  if (opened) {
    CASTOOL_ASSIGN(const bool locked,
                   try_lock(opened->get(), {kLeadLock, 1}, LockKind::kExclusive));
    return locked ? std::optional(*std::move(opened)) : std::nullopt;
  }
  // Published by another process and removed: nobody has to lead, and publish() will say so.
  if (opened.error().sys_errno != ENOENT) return base::failure(std::move(opened));
  base::UniqueFd nothing(::fcntl(table_.fd(), F_DUPFD_CLOEXEC, 0));
  if (!nothing) return base::errno_error(errno, "another descriptor of a table");
  return std::optional(std::move(nothing));
}

}  // namespace castool::cas
