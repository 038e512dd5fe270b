// Making what has arrived durable while more arrives, and what happens when the disk refuses.
#include "cas/layout.h"
#include "cas/partial_file.h"

namespace castool::cas {

void PartialFile::sync_in_background() {
  const base::Status status = sync_chunks();
  if (!status) drop_unsynced(status.error());
}

std::vector<PartialFile::Unsynced> PartialFile::unsynced_chunks() const {
  const base::MutexLock lock(mutex_);
  std::vector<Unsynced> chunks;
  for (std::uint64_t chunk = 0; chunk < map_.count(); ++chunk) {
    const ChunkRecord& record = map_.record(chunk);
    if (record.present() && !synced_[chunk]) chunks.push_back({chunk, record});
  }
  return chunks;
}

base::Status PartialFile::sync_chunks() {
  if (write_fd_ < 0) return base::ok();
  const std::vector<Unsynced> covered = unsynced_chunks();
  CASTOOL_RETURN_IF_ERROR(files_.sync_data(write_fd_));
  // After the data: a record that survives a power cut then has its bytes.
  CASTOOL_RETURN_IF_ERROR(files_.sync_data(table_.fd()));
  if (!name_synced_) {
    // Not every file system keeps a file's name with its bytes.
    CASTOOL_RETURN_IF_ERROR(files_.sync(directory_.get()));
    CASTOOL_RETURN_IF_ERROR(files_.sync_dir(store_.dir(), kPartialsDir));
    name_synced_ = true;
  }
  const base::MutexLock lock(mutex_);
  for (const Unsynced& one : covered) {
    // What was replaced meanwhile is not what the sync covered.
    if (map_.record(one.chunk) == one.record) synced_[one.chunk] = true;
  }
  return base::ok();
}

void PartialFile::remember_failure(const base::Error& error) {
  const base::MutexLock lock(mutex_);
  if (!failed_) failed_ = base::Error(error).in("unfinished " + key_.digest.text());
}

base::Status PartialFile::failure_so_far() const {
  const base::MutexLock lock(mutex_);
  if (failed_) return *failed_;
  return base::ok();
}

// The kernel marks pages clean after a failed writeback, so that the next sync would succeed
// without their bytes being on disk: everything that no earlier sync covered has to be written
// anew.
void PartialFile::drop_unsynced(const base::Error& error) {
  remember_failure(error);
  for (const Unsynced& one : unsynced_chunks()) (void)drop_chunk(one.chunk);
}

void PartialFile::close_cleanly() {
  // Again, because what a writer held when a sync failed could not be dropped then.
  if (const base::Status earlier = failure_so_far(); !earlier) {
    return drop_unsynced(earlier.error());
  }
  const base::Status status = sync_chunks();
  if (!status) return drop_unsynced(status.error());
  const auto alone = table_.lock_as_holder(LockKind::kExclusive);
  if (!alone || !*alone) return;  // the last one to close says that it is clean
  const auto epoch = table_.read_epoch();
  if (!epoch || !*epoch || (*epoch)->state != EpochState::kDirty) return;
  (void)table_.write_epoch({boot_, EpochState::kClean});
}

}  // namespace castool::cas
