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

  explicit FillGate(const base::Clock& clock) : clock_(clock) {}

  void begin_waiting() { waiting_.fetch_add(1); }
  void end_waiting(int readers) {
    left_at_.store(clock_.now().time_since_epoch().count());
    waiting_.fetch_sub(readers);
  }
  [[nodiscard]] bool open() const {
    if (waiting_.load() > 0) return false;
    const base::Clock::Monotonic left{base::Clock::Monotonic::duration(left_at_.load())};
    return clock_.now() - left >= kPause;
  }

 private:
  const base::Clock& clock_;
  std::atomic<int> waiting_{0};
  std::atomic<base::Clock::Monotonic::rep> left_at_{0};
};

}  // namespace castool::pull
