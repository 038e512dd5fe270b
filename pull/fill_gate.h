// Holds back what nobody waits for while somebody waits. Safe from any thread; never blocks.
#pragma once

#include <atomic>
#include <chrono>

#include "base/clock.h"

namespace castool::pull {

class FillGate {
 public:
  // A reader that just got its bytes mostly comes back for more.
  static constexpr std::chrono::milliseconds kPause{100};
  // Readers of an origin that stalls are no reason to leave the others' connections idle.
  static constexpr std::chrono::seconds kPatience{5};

  explicit FillGate(const base::Clock& clock) : clock_(clock) {}

  void begin_waiting() {
    changed_at_.store(now());
    waiting_.fetch_add(1);
  }
  void end_waiting(int readers) {
    if (readers == 0) return;
    changed_at_.store(now());
    waiting_.fetch_sub(readers);
  }
  [[nodiscard]] bool open() const {
    const base::Clock::Duration quiet(now() - changed_at_.load());
    return quiet >= (waiting_.load() > 0 ? base::Clock::Duration(kPatience) : kPause);
  }

 private:
  [[nodiscard]] base::Clock::Monotonic::rep now() const {
    return clock_.now().time_since_epoch().count();
  }

  const base::Clock& clock_;
  std::atomic<int> waiting_{0};
  std::atomic<base::Clock::Monotonic::rep> changed_at_{0};
};

}  // namespace castool::pull
