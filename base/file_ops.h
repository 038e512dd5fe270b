// The system calls of the write path, behind a seam.
//
// Everything that must survive a crash or report a full disk goes through a FileOps, so that tests
// can fail the Nth call, shorten a write, or drop what was not synced. Reads of published blobs do
// not: they are plain pread(2)/mmap(2).
//
// Paths are relative to a directory descriptor (or absolute with AT_FDCWD). Every call retries
// EINTR and finishes short writes itself. Errors carry the errno and the path. Safe from any
// thread.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace castool::base {

// What rename_to does when the new name is taken.
enum class IfExists { kReplace, kFail };

class FileOps {
 public:
  virtual ~FileOps() = default;

  // openat(2) with O_CLOEXEC and O_NOFOLLOW added; a created file gets exactly `mode`.
  [[nodiscard]] virtual Result<UniqueFd> open(int dir, const std::string& path, int flags,
                                              mode_t mode = 0) = 0;
  // All of `bytes` at `offset`.
  [[nodiscard]] virtual Status write_at(int fd, std::uint64_t offset,
                                        std::span<const std::byte> bytes) = 0;
  [[nodiscard]] virtual Status truncate(int fd, std::uint64_t size) = 0;
  // Reserves disk space; a file system without fallocate(2) is extended sparsely instead.
  [[nodiscard]] virtual Status allocate(int fd, std::uint64_t size) = 0;
  [[nodiscard]] virtual Status chmod(int fd, mode_t mode) = 0;
  // Starts writeback of a range and does not wait; a hint, errors are those of a later sync.
  virtual void start_writeback(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  [[nodiscard]] virtual Status sync_data(int fd) = 0;
  [[nodiscard]] virtual Status sync(int fd) = 0;
  // Makes the entries of a directory durable.
  [[nodiscard]] virtual Status sync_dir(int dir, const std::string& path) = 0;
  // renameat2(2). kFail on a taken name gives an error with sys_errno EEXIST.
  [[nodiscard]] virtual Status rename(int from_dir, const std::string& from, int to_dir,
                                      const std::string& to, IfExists if_exists) = 0;
  [[nodiscard]] virtual Status unlink(int dir, const std::string& path) = 0;
  [[nodiscard]] virtual Status remove_dir(int dir, const std::string& path) = 0;
  // mkdirat(2) with exactly `mode`; a directory that is there already is success.
  [[nodiscard]] virtual Status make_dir(int dir, const std::string& path, mode_t mode) = 0;
  [[nodiscard]] virtual Status symlink(const std::string& target, int dir,
                                       const std::string& path) = 0;
};

// The real calls.
class SystemFileOps final : public FileOps {
 public:
  Result<UniqueFd> open(int dir, const std::string& path, int flags, mode_t mode) override;
  Status write_at(int fd, std::uint64_t offset, std::span<const std::byte> bytes) override;
  Status truncate(int fd, std::uint64_t size) override;
  Status allocate(int fd, std::uint64_t size) override;
  Status chmod(int fd, mode_t mode) override;
  void start_writeback(int fd, std::uint64_t offset, std::uint64_t length) override;
  Status sync_data(int fd) override;
  Status sync(int fd) override;
  Status sync_dir(int dir, const std::string& path) override;
  Status rename(int from_dir, const std::string& from, int to_dir, const std::string& to,
                IfExists if_exists) override;
  Status unlink(int dir, const std::string& path) override;
  Status remove_dir(int dir, const std::string& path) override;
  Status make_dir(int dir, const std::string& path, mode_t mode) override;
  Status symlink(const std::string& target, int dir, const std::string& path) override;
};

}  // namespace castool::base
