// What the transport tells a job, on its thread: noted, and left to the job's own thread.
#include "fetch/download_job.h"

namespace castool::fetch {

using base::Clock;
using base::MutexLock;

Clock::Duration DownloadJob::take_tokens(std::uint64_t bytes) noexcept {
  return core_.budget.take_tokens(bytes, job_.priority);
}

void DownloadJob::on_received(std::uint64_t bytes) noexcept {
  core_.bytes_received.fetch_add(bytes, std::memory_order_relaxed);
}

void DownloadJob::on_accepted(RangeTransfer& transfer) noexcept {
  MutexLock lock(core_.budget.mutex);
  mailbox_.accepted.push_back(&transfer);
  core_.budget.changed.notify_all();
}

void DownloadJob::on_progress(std::uint64_t written, std::uint64_t skipped) noexcept {
  written_.fetch_add(written, std::memory_order_relaxed);
  skipped_.fetch_add(skipped, std::memory_order_relaxed);
}

void DownloadJob::on_paused(RangeTransfer& transfer, Clock::Duration wait) noexcept {
  MutexLock lock(core_.budget.mutex);
  mailbox_.paused.emplace_back(&transfer, core_.clock.now() + wait);
  core_.budget.changed.notify_all();
}

void DownloadJob::on_ended(RangeTransfer& transfer) noexcept {
  // Nothing of this job may be touched once the mutex is free: its thread may be done with it.
  MutexLock lock(core_.budget.mutex);
  mailbox_.ended.push_back(&transfer);
  core_.budget.changed.notify_all();
}

}  // namespace castool::fetch
