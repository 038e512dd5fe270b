// A clock that the test moves; waits pass at once.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace castool::pull {

class ManualClock final : public base::Clock {
 public:
  [[nodiscard]] Monotonic now() const override { return Monotonic(Duration(now_.load())); }
  [[nodiscard]] Wall wall_now() const override {
    return Wall(std::chrono::seconds(1'790'000'000)) +
           std::chrono::duration_cast<Wall::duration>(Duration(now_.load()));
  }
  [[nodiscard]] Duration scaled(Duration) const override { return std::chrono::milliseconds(1); }

  void advance(Duration by) { now_ += by.count(); }

 private:
  std::atomic<Duration::rep> now_{3'600'000'000'000};
};

}  // namespace castool::pull
