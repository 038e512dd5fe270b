#include "fetch/downloader.h"

#include <utility>

#include "fetch/download_job.h"
#include "fetch/downloader_core.h"

namespace castool::fetch {

struct Downloader::State {
  DownloaderCore core;
};

Downloader::Downloader(Transport& transport, DownloadLimits limits, base::Clock& clock,
                       base::Log& log, std::shared_ptr<HostBackoff> backoff,
                       std::shared_ptr<TransferBudget> budget)
    : state_(new State{{transport, limits, clock, log, std::move(backoff), std::move(budget)}}) {}

Downloader::~Downloader() { state_->core.shut_down(); }

base::Status Downloader::run(const BlobJob& job, std::stop_token stop) {
  if (!state_->core.enter()) return base::make_error(base::Code::kCancelled, "shutting down");
  DownloadJob run(state_->core, job, std::move(stop));
  return run.run();
}

void Downloader::ring(Bell& bell) {
  bell.rung = true;
  TransferBudget& budget = state_->core.budget;
  const base::MutexLock lock(budget.mutex);
  budget.changed.notify_all();
}

DownloadCounters Downloader::counters() const {
  DownloadCounters counters;
  counters.bytes_received = state_->core.bytes_received.load(std::memory_order_relaxed);
  counters.requests = state_->core.requests.load(std::memory_order_relaxed);
  counters.retries = state_->core.retries.load(std::memory_order_relaxed);
  return counters;
}

}  // namespace castool::fetch
