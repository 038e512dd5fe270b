#include "cas/stoppable_wait.h"

#include <condition_variable>
#include <mutex>

namespace castool::cas {

bool pause_unless_stopped(std::chrono::milliseconds pause, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, pause, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace castool::cas
