// Calls a sync function from a thread of its own while bytes are being written: whenever
// `every_bytes` were written since the last call, or `every` after the first byte that was not
// synced yet.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace castool::cas {

class BackgroundSync {
 public:
  struct Limits {
    std::uint64_t every_bytes = 256 << 20;
    base::Clock::Duration every = std::chrono::seconds(5);
  };

  // `sync` is called by the thread only, without a lock held. The thread starts with start().
  BackgroundSync(std::function<void()> sync, Limits limits);
  ~BackgroundSync();  // stops without a last call
  BackgroundSync(const BackgroundSync&) = delete;
  BackgroundSync& operator=(const BackgroundSync&) = delete;

  // Starts the thread, if it does not run. kIo when none can be begun.
  [[nodiscard]] base::Status start();
  // Says that bytes were written; cheap.
  void wrote(std::uint64_t bytes);
  // Ends the thread after the call under way; start() begins anew.
  void stop();

 private:
  void run(const std::stop_token& stop);

  const std::function<void()> sync_;
  const Limits limits_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::uint64_t unsynced_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point oldest_ CASTOOL_GUARDED_BY(mutex_);
  std::jthread thread_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::cas
