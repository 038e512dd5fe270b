#include "cas/gc_locks.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>

#include "cas/layout.h"
#include "cas/ofd_lock.h"
#include "cas/stoppable_wait.h"

namespace castool::cas {
namespace {

constexpr base::ByteRange kLeasesByte{0, 1};
constexpr base::ByteRange kGcByte{1, 1};

base::Result<base::UniqueFd> open_lock_file(Store& store) {
  const std::string path = std::string(kLeasesDir) + "/.lock";
  auto fd = store.files().open(store.dir(), path, O_RDWR | O_CREAT, kWorkMode);
  if (fd || fd.error().sys_errno != ENOENT) return fd;
  // A store that was made before there were leases.
  CASTOOL_RETURN_IF_ERROR(store.files().make_dir(store.dir(), kLeasesDir, kDirectoryMode));
  return store.files().open(store.dir(), path, O_RDWR | O_CREAT, kWorkMode);
}

}  // namespace

base::Result<base::UniqueFd> lock_as_gc(Store& store) {
  CASTOOL_RETURN_IF_ERROR(store.require_writable());
  CASTOOL_ASSIGN(base::UniqueFd fd, open_lock_file(store));
  CASTOOL_ASSIGN(const bool locked, try_lock(fd.get(), kGcByte, LockKind::kExclusive));
  if (locked) return fd;
  return base::make_error(base::Code::kBusy, "another gc of this store is running",
                          "run it again when that one is done");
}

base::Result<base::UniqueFd> lock_leases(Store& store, Sweeping sweeping,
                                         const std::stop_token& stop) {
  constexpr auto kPause = std::chrono::milliseconds(2);
  const auto deadline = store.clock().now() + std::chrono::minutes(1);
  const LockKind kind = sweeping == Sweeping::kYes ? LockKind::kExclusive : LockKind::kShared;
  CASTOOL_ASSIGN(base::UniqueFd fd, open_lock_file(store));
  for (;;) {
    CASTOOL_ASSIGN(const bool locked, try_lock(fd.get(), kLeasesByte, kind));
    if (locked) return fd;
    if (store.clock().now() >= deadline) {
      return base::make_error(base::Code::kBusy, "another process sweeps the store for too long",
                              "run it again");
    }
    if (!pause_unless_stopped(kPause, stop)) {
      return base::make_error(base::Code::kCancelled, "interrupted");
    }
  }
}

}  // namespace castool::cas
