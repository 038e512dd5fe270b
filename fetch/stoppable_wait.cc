#include "fetch/stoppable_wait.h"

#include "base/mutex.h"

namespace castool::fetch {

bool wait_until(const base::Clock& clock, base::Clock::Monotonic deadline,
                const std::stop_token& stop) {
  base::Mutex mutex;
  base::CondVar changed;
  const std::stop_callback wake(stop, [&] {
    base::MutexLock lock(mutex);
    changed.notify_all();
  });
  base::MutexLock lock(mutex);
  while (!stop.stop_requested()) {
    const auto left = deadline - clock.now();
    if (left <= base::Clock::Duration(0)) return true;
    changed.wait_until(mutex, std::chrono::steady_clock::now() + left);
  }
  return false;
}

}  // namespace castool::fetch
