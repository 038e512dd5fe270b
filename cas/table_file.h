// The chunk table on disk: reads, writes and locks of what chunk_table.h describes.
//
// Holds no cache and no state but the descriptor; safe from any thread. Reads of a record that is
// being written give the old one, the new one or "absent".
#pragma once

#include <vector>

#include "base/file_ops.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "cas/chunk_map.h"
#include "cas/chunk_table.h"
#include "cas/ofd_lock.h"

namespace castool::cas {

// Of this boot; all zero, which never equals a recorded one, when the system does not tell.
[[nodiscard]] BootId current_boot_id();

class TableFile {
 public:
  TableFile(base::UniqueFd fd, base::FileOps& files) : fd_(std::move(fd)), files_(&files) {}

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] base::UniqueFd release() && { return std::move(fd_); }

  [[nodiscard]] base::Result<std::optional<TableHeader>> read_header() const;
  [[nodiscard]] base::Result<std::optional<Epoch>> read_epoch() const;
  [[nodiscard]] base::Result<std::vector<ChunkRecord>> read_records(const ChunkRun& run) const;
  // The pids whose slots are locked.
  [[nodiscard]] base::Result<std::vector<int>> read_pids() const;

  [[nodiscard]] base::Status write_epoch(const Epoch& epoch) const;
  [[nodiscard]] base::Status write_record(std::uint64_t chunk, const ChunkRecord& record) const;

  [[nodiscard]] base::Result<bool> lock_chunks(const ChunkRun& run) const;
  void unlock_chunks(const ChunkRun& run) const;
  // The chunks of some claim of somebody else in the way of `run`.
  [[nodiscard]] base::Result<std::optional<ChunkRun>> claimed_by_others(const ChunkRun& run) const;

  // Says, or takes back, that somebody waits for these chunks.
  void mark_wanted(const ChunkRun& run) const;
  void unmark_wanted(const ChunkRun& run) const;
  // Some chunk of `run` that somebody else waits for.
  [[nodiscard]] std::optional<std::uint64_t> wanted_by_others(const ChunkRun& run) const;

  [[nodiscard]] base::Result<bool> lock_as_holder(LockKind kind) const;
  // Takes a free pid slot and says who we are; without one (more than kPidSlots processes) `status`
  // just does not show us.
  [[nodiscard]] base::Status announce_pid(int pid) const;
  // False: the table was removed while we opened it.
  [[nodiscard]] bool linked() const;

 private:
  base::UniqueFd fd_;
  base::FileOps* files_;
};

}  // namespace castool::cas
