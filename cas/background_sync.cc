#include "cas/background_sync.h"

#include <utility>

#include "base/thread.h"

namespace castool::cas {

BackgroundSync::BackgroundSync(std::function<void()> sync, Limits limits)
    : sync_(std::move(sync)), limits_(limits) {}

BackgroundSync::~BackgroundSync() { stop(); }

base::Status BackgroundSync::start() {
  const base::MutexLock lock(mutex_);
  if (thread_.joinable()) return base::ok();
  CASTOOL_ASSIGN(thread_, base::begin_thread([this](const std::stop_token& stop) { run(stop); }));
  return base::ok();
}

void BackgroundSync::wrote(std::uint64_t bytes) {
  const base::MutexLock lock(mutex_);
  const bool first = unsynced_ == 0;
  if (first) oldest_ = std::chrono::steady_clock::now();
  unsynced_ += bytes;
  if (first || unsynced_ >= limits_.every_bytes) changed_.notify_all();
}

void BackgroundSync::stop() {
  std::jthread thread;
  {
    const base::MutexLock lock(mutex_);
    thread = std::move(thread_);
    thread.request_stop();
    changed_.notify_all();
  }
  if (thread.joinable()) thread.join();
}

void BackgroundSync::run(const std::stop_token& stop) {
  constexpr auto kIdle = std::chrono::hours(1);
  while (true) {
    {
      const base::MutexLock lock(mutex_);
      while (!stop.stop_requested() && unsynced_ < limits_.every_bytes) {
        const auto now = std::chrono::steady_clock::now();
        const auto deadline = unsynced_ == 0 ? now + kIdle : oldest_ + limits_.every;
        if (unsynced_ != 0 && now >= deadline) break;
        (void)changed_.wait_until(mutex_, deadline);
      }
      if (stop.stop_requested()) return;
      unsynced_ = 0;
    }
    sync_();
  }
}

}  // namespace castool::cas
