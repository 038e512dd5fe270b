#include "fusefs/native_files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <string>
#include <utility>

#include "cas/layout.h"

namespace castool::fusefs {
namespace {

using base::Result;
using base::UniqueFd;

// From the kernel's protocol 7.40; the headers of Debian 12 are older.
struct BackingMap {
  std::int32_t fd = -1;
  std::uint32_t flags = 0;
  std::uint64_t padding = 0;
};
constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(229, 2, std::uint32_t);

Result<UniqueFd> clone_read_only(int dir, const char* path) {
  UniqueFd tree(::open_tree(
      dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_RECURSIVE)));
  if (!tree) return base::errno_error(errno, "clone the store's mount");
  mount_attr wanted{};
  wanted.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  const unsigned flags = static_cast<unsigned>(AT_EMPTY_PATH) | static_cast<unsigned>(AT_RECURSIVE);
  if (::mount_setattr(tree.get(), "", flags, &wanted, sizeof wanted) != 0)
    return base::errno_error(errno, "make the clone read-only");
  return tree;
}

bool same_file(int a, int b) {
  struct stat first {};
  struct stat second {};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

}  // namespace

std::uint32_t stack_depth_for(const cas::Store& store) {
  struct statfs system {};
  const bool overlay =
      ::fstatfs(store.dir(), &system) == 0 && system.f_type == OVERLAYFS_SUPER_MAGIC;
  return overlay ? 2 : 1;
}

KernelFiles::KernelFiles(UniqueFd device, const cas::Store& store, base::Log& log)
    : device_(std::move(device)), store_(store), log_(log) {}

KernelFiles::~KernelFiles() {
  for (const auto& [digest, entry] : registered_) leave(entry.id);
}

void KernelFiles::probe() {
  auto clone = clone_read_only(store_.dir(), cas::kBlobsDir);
  Result<std::int32_t> id = 0;
  if (clone) {
    const UniqueFd sample(::openat(store_.dir(), cas::kFormatFile, O_RDONLY | O_CLOEXEC));
    id = enter(sample.get());
    if (id) leave(*id);
  } else {
    id = base::failure(clone);
  }
  if (!id) {
    log_.info("files are served by the daemon, not natively: {}", id.error().text());
    return;
  }
  blobs_ = *std::move(clone);
  available_ = true;
}

Result<std::int32_t> KernelFiles::enter(int fd) const {
  BackingMap map;
  map.fd = fd;
  const int id = ::ioctl(device_.get(), kBackingOpen, &map);
  if (id > 0) return id;
  return base::errno_error(id == 0 ? EINVAL : errno, "passthrough of a file");
}

void KernelFiles::leave(std::int32_t id) const {
  auto number = static_cast<std::uint32_t>(id);
  if (::ioctl(device_.get(), kBackingClose, &number) != 0)
    log_.debug("cannot give back passthrough file {}: errno {}", id, errno);
}

// The blob by way of the clone; it has to be the very file that the caller looked at.
Result<UniqueFd> KernelFiles::open_clone(const base::Digest& digest, int fd) const {
  const std::string path = digest.hex().substr(0, 2) + "/" + digest.hex();
  UniqueFd opened(::openat(blobs_.get(), path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!opened) return base::errno_error(errno, "open " + digest.text());
  if (!same_file(opened.get(), fd))
    return base::make_error(base::Code::kIo, digest.text() + " was replaced meanwhile");
  return opened;
}

Result<std::int32_t> KernelFiles::acquire(const base::Digest& digest, int fd) {
  {
    const base::MutexLock lock(mutex_);
    if (const auto found = registered_.find(digest); found != registered_.end()) {
      ++found->second.users;
      return found->second.id;
    }
  }
  CASTOOL_ASSIGN(const UniqueFd file, open_clone(digest, fd));
  CASTOOL_ASSIGN(const std::int32_t id, enter(file.get()));
  std::int32_t spare = 0;
  std::int32_t chosen = id;
  {
    const base::MutexLock lock(mutex_);
    Registered& entry = registered_[digest];
    // Another thread may have registered it in between; then both use that one.
    if (entry.users++ == 0) {
      entry.id = id;
    } else {
      spare = std::exchange(chosen, entry.id);
    }
  }
  if (spare != 0) leave(spare);
  return chosen;
}

void KernelFiles::adopt(const base::Digest& digest, std::int32_t id) {
  const base::MutexLock lock(mutex_);
  Registered& entry = registered_[digest];
  entry.id = id;
  ++entry.users;
}

UniqueFd KernelFiles::connection() const {
  return UniqueFd(::fcntl(device_.get(), F_DUPFD_CLOEXEC, 0));
}

void KernelFiles::leave_to_another() {
  const base::MutexLock lock(mutex_);
  registered_.clear();
}

void KernelFiles::release(const base::Digest& digest) {
  std::int32_t last = 0;
  {
    const base::MutexLock lock(mutex_);
    const auto found = registered_.find(digest);
    if (found == registered_.end() || --found->second.users > 0) return;
    last = found->second.id;
    registered_.erase(found);
  }
  leave(last);
}

}  // namespace castool::fusefs
