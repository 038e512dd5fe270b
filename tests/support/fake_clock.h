// A clock that moves only when a test says so. Safe from any thread.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"

namespace castool::testing {

class FakeClock final : public base::Clock {
 public:
  [[nodiscard]] Monotonic now() const override {
    const base::MutexLock lock(mutex_);
    return now_;
  }
  [[nodiscard]] Wall wall_now() const override {
    const base::MutexLock lock(mutex_);
    return wall_;
  }
  [[nodiscard]] Duration scaled(Duration nominal) const override { return nominal; }

  // Moves both sides.
  void advance(Duration by) {
    const base::MutexLock lock(mutex_);
    now_ += by;
    wall_ += std::chrono::duration_cast<Wall::duration>(by);
  }
  void set_wall(Wall wall) {
    const base::MutexLock lock(mutex_);
    wall_ = wall;
  }

 private:
  mutable base::Mutex mutex_;
  Monotonic now_ CASTOOL_GUARDED_BY(mutex_){std::chrono::hours(1)};
  Wall wall_ CASTOOL_GUARDED_BY(mutex_){std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)};
};

}  // namespace castool::testing
