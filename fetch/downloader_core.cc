#include "fetch/downloader_core.h"

#include <algorithm>
#include <utility>

namespace castool::fetch {
namespace {

using base::Clock;
using base::MutexLock;

constexpr std::chrono::milliseconds kSampleInterval{500};

}  // namespace

DownloaderCore::DownloaderCore(Transport& the_transport, const DownloadLimits& the_limits,
                               Clock& the_clock, base::Log& the_log,
                               std::shared_ptr<HostBackoff> the_backoff)
    : transport(the_transport),
      limits(the_limits),
      clock(the_clock),
      log(the_log),
      backoff(the_backoff ? std::move(the_backoff) : std::make_shared<HostBackoff>()),
      window_(the_limits.connections),
      sampled_at_(the_clock.now()),
      random_(std::random_device()()) {
  if (limits.bytes_per_second > 0) bucket_.emplace(limits.bytes_per_second, sampled_at_);
}

bool DownloaderCore::enter() {
  MutexLock lock(mutex);
  if (stopping_) return false;
  ++jobs_;
  return true;
}

void DownloaderCore::leave(JobSlots& slots) {
  MutexLock lock(mutex);
  if (slots.waiting) --waiting_;
  slots.waiting = false;
  --jobs_;
  changed.notify_all();
}

void DownloaderCore::shut_down() {
  MutexLock lock(mutex);
  stopping_ = true;
  changed.notify_all();
  // Jobs leave within a second of hearing of it; they wake us.
  while (jobs_ > 0) {
    changed.wait_until(mutex, std::chrono::steady_clock::now() + std::chrono::seconds(1));
  }
}

bool DownloaderCore::stopping() {
  MutexLock lock(mutex);
  return stopping_;
}

bool DownloaderCore::try_acquire(JobSlots& slots) {
  MutexLock lock(mutex);
  const int others_waiting = waiting_ - (slots.waiting ? 1 : 0);
  const int fair_share = (window_.limit() + jobs_ - 1) / std::max(jobs_, 1);
  const bool granted =
      active_ < window_.limit() && (others_waiting == 0 || slots.active < std::max(fair_share, 1));
  if (slots.waiting == granted) waiting_ += granted ? -1 : 1;
  slots.waiting = !granted;
  if (!granted) return false;
  ++active_;
  ++slots.active;
  return true;
}

void DownloaderCore::release(JobSlots& slots) {
  MutexLock lock(mutex);
  --active_;
  --slots.active;
  if (waiting_ > 0) changed.notify_all();
}

void DownloaderCore::withdraw(JobSlots& slots) {
  MutexLock lock(mutex);
  if (slots.waiting) --waiting_;
  slots.waiting = false;
}

void DownloaderCore::push_back() {
  MutexLock lock(mutex);
  window_.on_push_back();
}

int DownloaderCore::connections() {
  MutexLock lock(mutex);
  return window_.limit();
}

void DownloaderCore::sample(Clock::Monotonic now) {
  const std::uint64_t bytes = bytes_received.load(std::memory_order_relaxed);
  MutexLock lock(mutex);
  const auto elapsed = now - sampled_at_;
  if (elapsed < kSampleInterval) return;
  const double rate =
      static_cast<double>(bytes - sampled_bytes_) / std::chrono::duration<double>(elapsed).count();
  sampled_at_ = now;
  sampled_bytes_ = bytes;
  const bool full = waiting_ > 0 || active_ >= window_.limit();
  window_.on_sample(rate, full ? ConnectionWindow::Use::kFull : ConnectionWindow::Use::kIdle);
}

Clock::Duration DownloaderCore::take_tokens(std::uint64_t bytes) {
  if (limits.bytes_per_second == 0) return Clock::Duration(0);
  MutexLock lock(mutex);
  return bucket_->take(bytes, clock.now());
}

double DownloaderCore::jitter() {
  MutexLock lock(mutex);
  return std::uniform_real_distribution<double>()(random_);
}

}  // namespace castool::fetch
