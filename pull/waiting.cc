#include "pull/waiting.h"

#include <condition_variable>
#include <mutex>

namespace castool::pull {

bool wait_unless_stopped(const base::Clock& clock, base::Clock::Duration nominal,
                         const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, clock.scaled(nominal), [] { return false; });
  return !stop.stop_requested();
}

base::Error cancelled_error() {
  return base::make_error(base::Code::kCancelled, "interrupted", "what was fetched is kept");
}

}  // namespace castool::pull
