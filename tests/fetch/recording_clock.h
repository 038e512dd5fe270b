// The system's clock with waits shortened to almost nothing, and a record of what they were.
#pragma once

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace castool::fetch {

class RecordingClock final : public base::Clock {
 public:
  // 15 minutes take 90 ms.
  explicit RecordingClock(double scale = 1e-4) : clock_(scale) {}

  [[nodiscard]] Monotonic now() const override { return clock_.now(); }
  [[nodiscard]] Wall wall_now() const override { return clock_.wall_now(); }
  [[nodiscard]] Duration scaled(Duration nominal) const override {
    const base::MutexLock lock(mutex_);
    nominal_.push_back(nominal);
    return clock_.scaled(nominal);
  }
  // Whether somebody asked for exactly this wait or time-out.
  [[nodiscard]] bool waited(Duration nominal) const {
    const base::MutexLock lock(mutex_);
    return std::find(nominal_.begin(), nominal_.end(), nominal) != nominal_.end();
  }

 private:
  base::SystemClock clock_;
  mutable base::Mutex mutex_;
  mutable std::vector<Duration> nominal_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fetch
