#include "base/file_ops.h"

#include <linux/fs.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

namespace castool::base {
namespace {

// Runs a call until it is not interrupted by a signal.
template <class Call>
auto retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

Status status_of(long result, std::string_view verb, const std::string& subject) {
  if (result == 0) return ok();
  const int saved = errno;
  return errno_error(saved, std::string(verb) + " " + subject);
}

std::string of_fd(int fd) { return "file descriptor " + std::to_string(fd); }

}  // namespace

Result<UniqueFd> SystemFileOps::open(int dir, const std::string& path, int flags, mode_t mode) {
  UniqueFd fd(
      retry([&] { return ::openat(dir, path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode); }));
  if (!fd) {
    const int saved = errno;
    return errno_error(saved, "open " + path);
  }
  if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
    CASTOOL_RETURN_IF_ERROR(chmod(fd.get(), mode));  // the umask took part in the mode
  }
  return fd;
}

Status SystemFileOps::write_at(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        retry([&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (written < 0) {
      const int saved = errno;
      return errno_error(saved, "write " + of_fd(fd));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return ok();
}

Status SystemFileOps::truncate(int fd, std::uint64_t size) {
  return status_of(retry([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }), "truncate",
                   of_fd(fd));
}

Status SystemFileOps::allocate(int fd, std::uint64_t size) {
  if (size == 0) return truncate(fd, 0);
  const int result = retry([&] { return ::fallocate(fd, 0, 0, static_cast<off_t>(size)); });
  if (result != 0 && errno == EOPNOTSUPP) return truncate(fd, size);
  return status_of(result, "allocate", of_fd(fd));
}

Status SystemFileOps::chmod(int fd, mode_t mode) {
  return status_of(retry([&] { return ::fchmod(fd, mode); }), "chmod", of_fd(fd));
}

void SystemFileOps::start_writeback(int fd, std::uint64_t offset, std::uint64_t length) {
  // A file system without it just writes back later.
  (void)::sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(length),
                          SYNC_FILE_RANGE_WRITE);
}

Status SystemFileOps::sync_data(int fd) {
  return status_of(retry([&] { return ::fdatasync(fd); }), "sync", of_fd(fd));
}

Status SystemFileOps::sync(int fd) {
  return status_of(retry([&] { return ::fsync(fd); }), "sync", of_fd(fd));
}

Status SystemFileOps::sync_dir(int dir, const std::string& path) {
  CASTOOL_ASSIGN(const UniqueFd fd, open(dir, path, O_RDONLY | O_DIRECTORY, 0));
  return status_of(retry([&] { return ::fsync(fd.get()); }), "sync directory", path);
}

Status SystemFileOps::rename(int from_dir, const std::string& from, int to_dir,
                             const std::string& to, IfExists if_exists) {
  const unsigned flags = if_exists == IfExists::kFail ? RENAME_NOREPLACE : 0;
  return status_of(
      retry([&] { return ::renameat2(from_dir, from.c_str(), to_dir, to.c_str(), flags); }),
      "rename", from + " to " + to);
}

Status SystemFileOps::unlink(int dir, const std::string& path) {
  return status_of(retry([&] { return ::unlinkat(dir, path.c_str(), 0); }), "unlink", path);
}

Status SystemFileOps::remove_dir(int dir, const std::string& path) {
  return status_of(retry([&] { return ::unlinkat(dir, path.c_str(), AT_REMOVEDIR); }),
                   "remove directory", path);
}

Status SystemFileOps::make_dir(int dir, const std::string& path, mode_t mode) {
  const int result = retry([&] { return ::mkdirat(dir, path.c_str(), mode); });
  if (result != 0 && errno == EEXIST) return ok();
  CASTOOL_RETURN_IF_ERROR(status_of(result, "make directory", path));
  CASTOOL_ASSIGN(const UniqueFd fd, open(dir, path, O_RDONLY | O_DIRECTORY, 0));
  return chmod(fd.get(), mode);  // the umask took part in the mode
}

Status SystemFileOps::symlink(const std::string& target, int dir, const std::string& path) {
  return status_of(retry([&] { return ::symlinkat(target.c_str(), dir, path.c_str()); }), "symlink",
                   path);
}

}  // namespace castool::base
