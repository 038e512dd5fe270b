#include "cas/ofd_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

namespace castool::cas {
namespace {

struct flock lock_of(const base::ByteRange& bytes, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(bytes.offset);
  lock.l_len = static_cast<off_t>(bytes.length);
  return lock;
}

}  // namespace

base::Result<bool> try_lock(int fd, const base::ByteRange& bytes, LockKind kind) {
  struct flock lock =
      lock_of(bytes, static_cast<short>(kind == LockKind::kShared ? F_RDLCK : F_WRLCK));
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  const int saved = errno;
  return base::errno_error(saved, "lock chunk table");
}

void unlock(int fd, const base::ByteRange& bytes) {
  struct flock lock = lock_of(bytes, F_UNLCK);
  // Cannot fail for a lock that is held; closing the file would end it anyhow.
  (void)::fcntl(fd, F_OFD_SETLK, &lock);
}

base::Result<std::optional<base::ByteRange>> find_conflict(int fd, const base::ByteRange& bytes) {
  struct flock lock = lock_of(bytes, F_WRLCK);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) {
    const int saved = errno;
    return base::errno_error(saved, "look at chunk table locks");
  }
  if (lock.l_type == F_UNLCK) return std::optional<base::ByteRange>();
  const auto start = static_cast<std::uint64_t>(lock.l_start);
  const std::uint64_t length = lock.l_len == 0  // to the end of everything
                                   ? std::numeric_limits<std::uint64_t>::max() - start
                                   : static_cast<std::uint64_t>(lock.l_len);
  return std::optional(base::ByteRange{start, length});
}

}  // namespace castool::cas
