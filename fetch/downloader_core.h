// What all jobs of a downloader share: the connection slots and their window, the rate limit, the
// counters, and the one condition variable on which jobs wait. Safe from any thread.
//
// One mutex guards all of it. It is held for arithmetic only, never around a callback, a sink, or
// the transport.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <random>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "fetch/connection_window.h"
#include "fetch/downloader.h"
#include "fetch/host_backoff.h"
#include "fetch/token_bucket.h"

namespace castool::fetch {

// One job's part of the slots.
struct JobSlots {
  int active = 0;
  bool waiting = false;
};

class DownloaderCore {
 public:
  DownloaderCore(Transport& the_transport, const DownloadLimits& the_limits, base::Clock& the_clock,
                 base::Log& the_log, std::shared_ptr<HostBackoff> the_backoff);

  // A job registers for as long as it runs; false once the downloader shuts down.
  [[nodiscard]] bool enter();
  void leave(JobSlots& slots);
  void shut_down();  // jobs see stopping() and leave; waits for them
  [[nodiscard]] bool stopping();

  // A slot for one transfer. While others wait, no job gets more than its fair share.
  [[nodiscard]] bool try_acquire(JobSlots& slots);
  void release(JobSlots& slots);
  // The job has nothing to use a slot for.
  void withdraw(JobSlots& slots);
  void push_back();
  [[nodiscard]] int connections();
  // Looks at the throughput twice a second and moves the window.
  void sample(base::Clock::Monotonic now);

  [[nodiscard]] base::Clock::Duration take_tokens(std::uint64_t bytes);
  [[nodiscard]] double jitter();

  Transport& transport;
  const DownloadLimits limits;
  base::Clock& clock;
  base::Log& log;
  const std::shared_ptr<HostBackoff> backoff;

  std::atomic<std::uint64_t> bytes_received{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> retries{0};

  // Jobs keep their mailboxes under this mutex and wait on this condition.
  base::Mutex mutex;
  base::CondVar changed;

 private:
  int jobs_ CASTOOL_GUARDED_BY(mutex) = 0;
  int waiting_ CASTOOL_GUARDED_BY(mutex) = 0;
  int active_ CASTOOL_GUARDED_BY(mutex) = 0;
  bool stopping_ CASTOOL_GUARDED_BY(mutex) = false;
  ConnectionWindow window_ CASTOOL_GUARDED_BY(mutex);
  std::optional<TokenBucket> bucket_ CASTOOL_GUARDED_BY(mutex);
  base::Clock::Monotonic sampled_at_ CASTOOL_GUARDED_BY(mutex);
  std::uint64_t sampled_bytes_ CASTOOL_GUARDED_BY(mutex) = 0;
  std::minstd_rand random_ CASTOOL_GUARDED_BY(mutex);
};

}  // namespace castool::fetch
