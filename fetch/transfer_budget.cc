#include "fetch/transfer_budget.h"

#include <algorithm>

namespace castool::fetch {
namespace {

using base::Clock;
using base::MutexLock;

constexpr std::chrono::milliseconds kSampleInterval{250};
// How long after its turn a higher class may take to come back for its bytes.
constexpr std::chrono::milliseconds kTurnGrace{20};

}  // namespace

TransferBudget::TransferBudget(int connections, std::uint64_t bytes_per_second, const Clock& clock)
    : clock_(clock),
      bytes_per_second_(bytes_per_second),
      window_(connections),
      sampled_at_(clock.now()) {
  use_.limit = window_.limit();
  reserved_.fill(Clock::Monotonic::min());
  if (bytes_per_second > 0) bucket_.emplace(bytes_per_second, sampled_at_);
}

std::optional<TransferBudget::Grant> TransferBudget::try_acquire(Party& party) {
  MutexLock lock(mutex);
  sample(clock_.now());
  const bool waited = party.waiting_;
  set_waiting(party, false);
  SlotUse asking = use_;
  if (engaged(party) == 0) ++asking.of(party.priority_).engaged;
  if (!may_take_slot(asking, party.priority_, party.held_)) {
    set_waiting(party, true);
    return std::nullopt;
  }
  set_held(party, party.held_ + 1);
  // Lower classes may have been held back by our waiting.
  if (waited) changed.notify_all();
  return ++last_grant_;
}

void TransferBudget::release(Party& party) {
  MutexLock lock(mutex);
  set_held(party, party.held_ - 1);
  sample(clock_.now());
  changed.notify_all();
}

void TransferBudget::withdraw(Party& party) {
  MutexLock lock(mutex);
  if (!party.waiting_) return;
  set_waiting(party, false);
  changed.notify_all();
}

std::optional<TransferBudget::Grant> TransferBudget::acquire(Party& party,
                                                             const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex);
    changed.notify_all();
  });
  while (!stop.stop_requested()) {
    if (const auto grant = try_acquire(party)) return grant;
    MutexLock lock(mutex);
    SlotUse now = use_;
    --now.of(party.priority_).waiting;
    // What changed since the attempt above was notified before we wait for it.
    if (stop.stop_requested() || may_take_slot(now, party.priority_, party.held_)) continue;
    changed.wait_until(mutex, std::chrono::steady_clock::now() + std::chrono::seconds(1));
  }
  withdraw(party);
  return std::nullopt;
}

void TransferBudget::push_back(Grant grant) {
  MutexLock lock(mutex);
  if (grant <= pushed_back_) return;
  pushed_back_ = last_grant_;
  window_.on_push_back();
  use_.limit = window_.limit();
}

int TransferBudget::connections() {
  MutexLock lock(mutex);
  return window_.limit();
}

Clock::Duration TransferBudget::take_tokens(std::uint64_t bytes, Priority priority) {
  if (bytes_per_second_ == 0) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return Clock::Duration(0);
  }
  const auto own = static_cast<std::size_t>(priority);
  MutexLock lock(mutex);
  const Clock::Monotonic now = clock_.now();
  // The tokens that come in until a higher class has had its turn are not ours.
  for (std::size_t i = 0; i < own; ++i) {
    if (reserved_[i] > now) return reserved_[i] - now;
  }
  const Clock::Duration wait = bucket_->take(bytes, now);
  if (wait > Clock::Duration(0)) {
    reserved_[own] = now + wait + kTurnGrace;
    return wait;
  }
  reserved_[own] = Clock::Monotonic::min();
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return Clock::Duration(0);
}

void TransferBudget::set_waiting(Party& party, bool waiting) {
  ClassUse& own = use_.of(party.priority_);
  own.engaged -= engaged(party);
  own.waiting += static_cast<int>(waiting) - static_cast<int>(party.waiting_);
  party.waiting_ = waiting;
  own.engaged += engaged(party);
}

void TransferBudget::set_held(Party& party, int held) {
  ClassUse& own = use_.of(party.priority_);
  own.engaged -= engaged(party);
  own.active += held - party.held_;
  party.held_ = held;
  own.engaged += engaged(party);
}

void TransferBudget::sample(Clock::Monotonic now) {
  const auto elapsed = now - sampled_at_;
  if (elapsed < kSampleInterval) return;
  const std::uint64_t bytes = bytes_.load(std::memory_order_relaxed);
  const double rate =
      static_cast<double>(bytes - sampled_bytes_) / std::chrono::duration<double>(elapsed).count();
  sampled_at_ = now;
  sampled_bytes_ = bytes;
  int active = 0;
  bool waiting = false;
  for (const ClassUse& each : use_.classes) {
    active += each.active;
    waiting = waiting || each.waiting > 0;
  }
  const bool full = waiting || active >= use_.limit;
  window_.on_sample(rate, full ? ConnectionWindow::Use::kFull : ConnectionWindow::Use::kIdle);
  if (window_.limit() > use_.limit) changed.notify_all();
  use_.limit = window_.limit();
}

}  // namespace castool::fetch
