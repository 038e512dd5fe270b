#include "tests/support/fault_file_ops.h"

#include <unistd.h>

#include <array>
#include <utility>

namespace castool::testing {
namespace {

// The last part of the file's path.
std::string name_of(int fd) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  const std::string_view whole(path.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
  return std::string(whole.substr(whole.rfind('/') + 1));
}

}  // namespace

void FaultFileOps::set_fault(const Fault& fault) {
  const base::MutexLock lock(mutex_);
  fault_ = fault;
  seen_ = 0;
  fired_ = false;
}

bool FaultFileOps::fired() const {
  const base::MutexLock lock(mutex_);
  return fired_;
}

std::vector<std::string> FaultFileOps::take_calls() {
  const base::MutexLock lock(mutex_);
  return std::exchange(calls_, {});
}

base::Status FaultFileOps::enter(FileOp op, std::string call) {
  const base::MutexLock lock(mutex_);
  calls_.push_back(call);
  if (fault_.op != FileOp::kAny && fault_.op != op) return base::ok();
  ++seen_;
  if (fault_.nth == 0 || seen_ < fault_.nth) return base::ok();
  if (fault_.repeat == Repeat::kOnce && seen_ > fault_.nth) return base::ok();
  fired_ = true;
  return base::errno_error(fault_.error, call);
}

void FaultFileOps::on_write(std::function<void(std::size_t size)> hook) {
  const base::MutexLock lock(mutex_);
  on_write_ = std::move(hook);
}

void FaultFileOps::on_sync(std::function<void(const std::string& file)> hook) {
  const base::MutexLock lock(mutex_);
  on_sync_ = std::move(hook);
}

base::Status FaultFileOps::enter_sync(int fd) {
  const std::string file = name_of(fd);
  std::function<void(const std::string& file)> hook;
  {
    const base::MutexLock lock(mutex_);
    hook = on_sync_;
  }
  if (hook) hook(file);
  return enter(FileOp::kSync, "sync " + file);
}

base::Result<base::UniqueFd> FaultFileOps::open(int dir, const std::string& path, int flags,
                                                mode_t mode) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kOpen, "open " + path));
  return real_.open(dir, path, flags, mode);
}

base::Status FaultFileOps::write_at(int fd, std::uint64_t offset,
                                    std::span<const std::byte> bytes) {
  std::function<void(std::size_t)> hook;
  {
    const base::MutexLock lock(mutex_);
    hook = on_write_;
  }
  if (hook) hook(bytes.size());
  base::Status status = enter(FileOp::kWrite, "write " + std::to_string(bytes.size()));
  if (status) return real_.write_at(fd, offset, bytes);
  (void)real_.write_at(fd, offset, bytes.first(bytes.size() / 2));
  return status;
}

base::Status FaultFileOps::truncate(int fd, std::uint64_t size) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kTruncate, "truncate"));
  return real_.truncate(fd, size);
}

base::Status FaultFileOps::allocate(int fd, std::uint64_t size) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kAllocate, "allocate"));
  return real_.allocate(fd, size);
}

base::Status FaultFileOps::chmod(int fd, mode_t mode) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kChmod, "chmod"));
  return real_.chmod(fd, mode);
}

void FaultFileOps::start_writeback(int fd, std::uint64_t offset, std::uint64_t length) {
  real_.start_writeback(fd, offset, length);
}

base::Status FaultFileOps::sync_data(int fd) {
  CASTOOL_RETURN_IF_ERROR(enter_sync(fd));
  return real_.sync_data(fd);
}

base::Status FaultFileOps::sync(int fd) {
  CASTOOL_RETURN_IF_ERROR(enter_sync(fd));
  return real_.sync(fd);
}

base::Status FaultFileOps::sync_dir(int dir, const std::string& path) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kSyncDir, "sync directory " + path));
  return real_.sync_dir(dir, path);
}

base::Status FaultFileOps::rename(int from_dir, const std::string& from, int to_dir,
                                  const std::string& to, base::IfExists if_exists) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kRename, "rename " + from + " to " + to));
  return real_.rename(from_dir, from, to_dir, to, if_exists);
}

base::Status FaultFileOps::unlink(int dir, const std::string& path) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kUnlink, "unlink " + path));
  return real_.unlink(dir, path);
}

base::Status FaultFileOps::remove_dir(int dir, const std::string& path) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kRemoveDir, "remove directory " + path));
  return real_.remove_dir(dir, path);
}

base::Status FaultFileOps::make_dir(int dir, const std::string& path, mode_t mode) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kMakeDir, "make directory " + path));
  return real_.make_dir(dir, path, mode);
}

base::Status FaultFileOps::symlink(const std::string& target, int dir, const std::string& path) {
  CASTOOL_RETURN_IF_ERROR(enter(FileOp::kSymlink, "symlink " + path));
  return real_.symlink(target, dir, path);
}

}  // namespace castool::testing
