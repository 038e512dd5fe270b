#include "fetch/downloader_core.h"

#include <utility>

namespace castool::fetch {

using base::MutexLock;

DownloaderCore::DownloaderCore(Transport& the_transport, const DownloadLimits& the_limits,
                               base::Clock& the_clock, base::Log& the_log,
                               std::shared_ptr<HostBackoff> the_backoff,
                               std::shared_ptr<TransferBudget> the_budget)
    : transport(the_transport),
      limits(the_limits),
      clock(the_clock),
      log(the_log),
      backoff(the_backoff ? std::move(the_backoff) : std::make_shared<HostBackoff>()),
      shared_budget(the_budget ? std::move(the_budget)
                               : std::make_shared<TransferBudget>(limits.connections,
                                                                  limits.bytes_per_second, clock)),
      budget(*shared_budget),
      random_(std::random_device()()) {}

bool DownloaderCore::enter() {
  MutexLock lock(budget.mutex);
  if (stopping_) return false;
  ++jobs_;
  return true;
}

void DownloaderCore::leave() {
  MutexLock lock(budget.mutex);
  --jobs_;
  budget.changed.notify_all();
}

void DownloaderCore::shut_down() {
  MutexLock lock(budget.mutex);
  stopping_ = true;
  budget.changed.notify_all();
  // Jobs leave within a second of hearing of it; they wake us.
  while (jobs_ > 0) {
    budget.changed.wait_until(budget.mutex,
                              std::chrono::steady_clock::now() + std::chrono::seconds(1));
  }
}

bool DownloaderCore::stopping() {
  MutexLock lock(budget.mutex);
  return stopping_;
}

double DownloaderCore::jitter() {
  MutexLock lock(budget.mutex);
  return std::uniform_real_distribution<double>()(random_);
}

}  // namespace castool::fetch
