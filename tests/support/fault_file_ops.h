// File operations that fail on purpose: the Nth call, once or from then on, with a chosen errno.
//
// Every call but start_writeback counts. A write that fails puts half of its bytes down first, as a
// full disk does. Forwards to `real` otherwise. Safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_ops.h"
#include "base/mutex.h"

namespace castool::testing {

enum class FileOp {
  kAny,
  kOpen,
  kWrite,
  kTruncate,
  kAllocate,
  kChmod,
  kSync,  // sync and sync_data
  kSyncDir,
  kRename,
  kUnlink,
  kRemoveDir,
  kMakeDir,
  kSymlink,
};

enum class Repeat { kOnce, kSticky };

struct Fault {
  std::uint64_t nth = 0;  // 1 is the first call of `op` from now on; 0: none fails
  int error = 0;          // errno
  Repeat repeat = Repeat::kOnce;
  FileOp op = FileOp::kAny;
};

class FaultFileOps final : public base::FileOps {
 public:
  explicit FaultFileOps(base::FileOps& real) : real_(real) {}

  // Replaces the fault that was set and counts from zero again.
  void set_fault(const Fault& fault);
  // Whether the fault was ever met since set_fault().
  [[nodiscard]] bool fired() const;
  // Called before each write of so many bytes, without a lock held.
  void on_write(std::function<void(std::size_t size)> hook);
  // Called before each sync of a file with the last part of its path, without a lock held.
  void on_sync(std::function<void(const std::string& file)> hook);
  // "rename a to b", "sync data" and so on, in order, since the last take_calls().
  [[nodiscard]] std::vector<std::string> take_calls();

  base::Result<base::UniqueFd> open(int dir, const std::string& path, int flags,
                                    mode_t mode) override;
  base::Status write_at(int fd, std::uint64_t offset, std::span<const std::byte> bytes) override;
  base::Status truncate(int fd, std::uint64_t size) override;
  base::Status allocate(int fd, std::uint64_t size) override;
  base::Status chmod(int fd, mode_t mode) override;
  void start_writeback(int fd, std::uint64_t offset, std::uint64_t length) override;
  base::Status sync_data(int fd) override;
  base::Status sync(int fd) override;
  base::Status sync_dir(int dir, const std::string& path) override;
  base::Status rename(int from_dir, const std::string& from, int to_dir, const std::string& to,
                      base::IfExists if_exists) override;
  base::Status unlink(int dir, const std::string& path) override;
  base::Status remove_dir(int dir, const std::string& path) override;
  base::Status make_dir(int dir, const std::string& path, mode_t mode) override;
  base::Status symlink(const std::string& target, int dir, const std::string& path) override;

 private:
  // Counts the call; the error that it has to end with, if it is its turn.
  [[nodiscard]] base::Status enter(FileOp op, std::string call);

  [[nodiscard]] base::Status enter_sync(int fd);

  base::FileOps& real_;
  mutable base::Mutex mutex_;
  Fault fault_ CASTOOL_GUARDED_BY(mutex_);
  std::uint64_t seen_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::function<void(std::size_t)> on_write_ CASTOOL_GUARDED_BY(mutex_);
  std::function<void(const std::string&)> on_sync_ CASTOOL_GUARDED_BY(mutex_);
  bool fired_ CASTOOL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> calls_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::testing
