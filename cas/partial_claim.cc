// Claiming chunks: which, against other threads and processes, and the first write.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "cas/chunk_writer.h"
#include "cas/layout.h"
#include "cas/partial_file.h"

namespace castool::cas {

void ChunkHold::keep(const ChunkRun& part) {
  const ChunkRun before{run_.first, part.first - run_.first};
  const ChunkRun after{part.end(), run_.end() - part.end()};
  if (before.count != 0) partial_->release(before);
  if (after.count != 0) partial_->release(after);
  run_ = part;
}

void PartialFile::release(const ChunkRun& run) {
  // The lock goes first: once the map says free, another thread may take the same lock on this
  // descriptor, and unlocking after that would take it away.
  table_.unlock_chunks(run);
  const base::MutexLock lock(mutex_);
  map_.release(run);
}

std::optional<ChunkRun> PartialFile::reserve(std::uint64_t from, std::uint64_t end,
                                             std::uint64_t most) {
  const base::MutexLock lock(mutex_);
  const auto run = map_.next_free(from, end, most);
  if (!run || !map_.hold(*run)) return std::nullopt;
  return run;
}

base::Result<std::unique_ptr<ChunkWriter>> PartialFile::claim(std::uint64_t from,
                                                              std::uint64_t max_bytes,
                                                              const base::ByteRange& within) {
  const std::uint64_t most = std::max<std::uint64_t>(max_bytes / kChunkSize, 1);
  ChunkRun wanted;
  CASTOOL_RETURN_IF_ERROR(failure_so_far());
  {
    const base::MutexLock lock(mutex_);
    wanted = map_.touched_by(within);
  }
  std::uint64_t start = std::max(from / kChunkSize, wanted.first);
  while (!published_) {
    const auto run = reserve(start, wanted.end(), most);
    if (!run) break;
    ChunkHold hold(*this, *run);
    CASTOOL_ASSIGN(start, lock_front(hold));
    if (hold.run().count == 0) continue;
    CASTOOL_RETURN_IF_ERROR(keep_missing(hold));
    if (hold.run().count == 0) continue;
    CASTOOL_ASSIGN(const bool writable, begin_writing(hold));
    if (!writable) break;
    return std::unique_ptr<ChunkWriter>(std::make_unique<PartialWriter>(*this, std::move(hold)));
  }
  return std::unique_ptr<ChunkWriter>();
}

// Locks the longest front of the hold that no other process has; returns where to go on looking.
base::Result<std::uint64_t> PartialFile::lock_front(ChunkHold& hold) {
  constexpr int kTries = 100;  // others claim and release meanwhile
  const std::uint64_t end = hold.run().end();
  for (int i = 0; i < kTries; ++i) {
    CASTOOL_ASSIGN(const bool locked, table_.lock_chunks(hold.run()));
    if (locked) return hold.run().end();
    CASTOOL_ASSIGN(const auto taken, table_.claimed_by_others(hold.run()));
    if (!taken) continue;
    if (taken->first <= hold.run().first) {
      const std::uint64_t next = std::min(taken->end(), end);
      hold.keep({hold.run().first, 0});
      return next;
    }
    hold.keep({hold.run().first, taken->first - hold.run().first});
  }
  hold.keep({hold.run().first, 0});
  return end;
}

// Narrows a locked hold to its first chunks that are really missing: others may have filled some
// since the table was read.
base::Status PartialFile::keep_missing(ChunkHold& hold) {
  const ChunkRun run = hold.run();
  CASTOOL_RETURN_IF_ERROR(merge_records(run));
  ChunkRun missing{run.first, 0};
  {
    const base::MutexLock lock(mutex_);
    while (missing.first < run.end() && map_.record(missing.first).present()) ++missing.first;
    while (missing.end() < run.end() && !map_.record(missing.end()).present()) ++missing.count;
  }
  hold.keep(missing);
  return base::ok();
}

// Makes sure that an unclean stop from here on is noticed. False: the blob is published, and its
// publisher held the chunks that are held here now.
base::Result<bool> PartialFile::begin_writing(const ChunkHold&) {
  look_whether_published();
  if (published_) return false;
  CASTOOL_ASSIGN(const auto epoch, table_.read_epoch());
  const Epoch mine{boot_, EpochState::kDirty};
  if (epoch != mine) CASTOOL_RETURN_IF_ERROR(table_.write_epoch(mine));
  if (write_fd_ < 0) CASTOOL_RETURN_IF_ERROR(open_for_writing());
  CASTOOL_RETURN_IF_ERROR(background_.start());
  return true;
}

base::Status PartialFile::open_for_writing() {
  auto opened = files_.open(directory_.get(), kDataFile, O_RDWR);
  if (!opened && opened.error().sys_errno == EACCES) {
    // A publisher was killed between taking the write permission away and the rename.
    CASTOOL_RETURN_IF_ERROR(files_.chmod(data_.get(), kWorkMode));
    opened = files_.open(directory_.get(), kDataFile, O_RDWR);
  }
  if (!opened) return base::failure(opened);
  struct stat written = {};
  struct stat read = {};
  if (::fstat(opened->get(), &written) != 0 || ::fstat(data_.get(), &read) != 0 ||
      written.st_ino != read.st_ino) {
    return base::make_error(base::Code::kBusy,
                            "unfinished " + key_.digest.text() + " was removed meanwhile",
                            "run it again");
  }
  if (static_cast<std::uint64_t>(written.st_size) != key_.size) {
    CASTOOL_RETURN_IF_ERROR(files_.truncate(opened->get(), key_.size));
  }
  // Space of a lazy blob that a full pull now completes.
  const auto allocated = static_cast<std::uint64_t>(written.st_blocks) * 512;
  if (preallocate_ == Preallocate::kYes && !complete() && allocated < key_.size) {
    const base::Status reserved = files_.allocate(opened->get(), key_.size);
    if (!reserved) return explain_no_space(reserved.error(), store_, key_.size - allocated);
  }
  const base::MutexLock lock(mutex_);
  if (!writing_) {
    writing_ = *std::move(opened);
    write_fd_ = writing_.get();
  }
  return base::ok();
}

void PartialFile::want(const base::ByteRange& range) {
  ChunkRun run;
  {
    const base::MutexLock lock(mutex_);
    run = map_.touched_by(range);
    for (std::uint64_t chunk = run.first; chunk < run.end(); ++chunk) wanted_.insert(chunk);
  }
  table_.mark_wanted(run);
}

void PartialFile::unwant(const base::ByteRange& range) {
  ChunkRun run;
  {
    const base::MutexLock lock(mutex_);
    run = map_.touched_by(range);
    wanted_.erase(wanted_.lower_bound(run.first), wanted_.lower_bound(run.end()));
  }
  table_.unmark_wanted(run);
}

std::optional<std::uint64_t> PartialFile::wanted_in(const ChunkRun& run, Asked whom) const {
  std::optional<std::uint64_t> first;
  {
    const base::MutexLock lock(mutex_);
    const auto ours = wanted_.lower_bound(run.first);
    if (ours != wanted_.end() && *ours < run.end()) first = *ours;
  }
  if (whom == Asked::kOurs || first == run.first) return first;
  const auto theirs = table_.wanted_by_others(run);
  return first && theirs ? std::min(*first, *theirs) : (first ? first : theirs);
}

base::Result<std::optional<ChunkHold>> PartialFile::hold_chunk(std::uint64_t chunk) {
  const ChunkRun run{chunk, 1};
  {
    const base::MutexLock lock(mutex_);
    if (!map_.hold(run)) return std::optional<ChunkHold>();
  }
  std::optional<ChunkHold> hold(std::in_place, *this, run);
  CASTOOL_ASSIGN(const bool locked, table_.lock_chunks(run));
  if (!locked) hold.reset();
  return hold;
}

base::Result<std::optional<ChunkHold>> PartialFile::hold_all() {
  ChunkRun all;
  {
    const base::MutexLock lock(mutex_);
    all = {0, map_.count()};
    if (!map_.hold(all)) return std::optional<ChunkHold>();
  }
  std::optional<ChunkHold> hold(std::in_place, *this, all);
  CASTOOL_ASSIGN(const bool locked, table_.lock_chunks(all));
  if (!locked) hold.reset();
  return hold;
}

}  // namespace castool::cas
