// What all jobs of a downloader share: the transport, the budget of connections and bytes, the
// counters. Safe from any thread.
//
// Jobs keep their mailboxes under the budget's mutex and wait on its condition, so that one wait
// covers both; it is held for arithmetic only, never around a callback, a sink, or the transport.
#pragma once

#include <atomic>
#include <memory>
#include <random>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "fetch/downloader.h"
#include "fetch/host_backoff.h"
#include "fetch/transfer_budget.h"

namespace castool::fetch {

class DownloaderCore {
 public:
  DownloaderCore(Transport& the_transport, const DownloadLimits& the_limits, base::Clock& the_clock,
                 base::Log& the_log, std::shared_ptr<HostBackoff> the_backoff,
                 std::shared_ptr<TransferBudget> the_budget);

  // A job registers for as long as it runs; false once the downloader shuts down.
  [[nodiscard]] bool enter();
  void leave();
  void shut_down();  // jobs see stopping() and leave; waits for them
  [[nodiscard]] bool stopping();
  [[nodiscard]] double jitter();

  Transport& transport;
  const DownloadLimits limits;
  base::Clock& clock;
  base::Log& log;
  const std::shared_ptr<HostBackoff> backoff;
  const std::shared_ptr<TransferBudget> shared_budget;
  TransferBudget& budget;  // the same one, as the analysis of locks wants it

  std::atomic<std::uint64_t> bytes_received{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> retries{0};

 private:
  int jobs_ CASTOOL_GUARDED_BY(budget.mutex) = 0;
  bool stopping_ CASTOOL_GUARDED_BY(budget.mutex) = false;
  std::minstd_rand random_ CASTOOL_GUARDED_BY(budget.mutex);
};

}  // namespace castool::fetch
