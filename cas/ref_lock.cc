#include "cas/ref_lock.h"

#include <fcntl.h>

#include <chrono>
#include <string>

#include "cas/layout.h"
#include "cas/ofd_lock.h"
#include "cas/stoppable_wait.h"

namespace castool::cas {

base::Result<base::UniqueFd> lock_refs(Store& store, const std::stop_token& stop) {
  constexpr auto kPause = std::chrono::milliseconds(2);
  const auto deadline = store.clock().now() + std::chrono::seconds(10);
  // No namespace begins with a point.
  CASTOOL_ASSIGN(base::UniqueFd fd,
                 store.files().open(store.dir(), std::string(kRefsDir) + "/.lock", O_RDWR | O_CREAT,
                                    kWorkMode));
  for (;;) {
    CASTOOL_ASSIGN(const bool locked, try_lock(fd.get(), {0, 1}, LockKind::kExclusive));
    if (locked) return fd;
    if (store.clock().now() >= deadline) {
      return base::make_error(base::Code::kBusy, "another process holds the names of the store");
    }
    if (!pause_unless_stopped(kPause, stop)) {
      return base::make_error(base::Code::kCancelled, "interrupted");
    }
  }
}

}  // namespace castool::cas
