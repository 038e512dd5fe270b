// Time as a seam: what waits or times out asks a Clock, so that tests decide what time it is.
//
// Time-outs and waits use the monotonic side and are passed through scaled(), which
// CASTOOL_TIME_SCALE shortens in tests; the wall clock is for stamps that people read.
// All members are safe to call from any thread.
#pragma once

#include <chrono>

namespace castool::base {

class Clock {
 public:
  using Duration = std::chrono::nanoseconds;
  using Monotonic = std::chrono::steady_clock::time_point;
  using Wall = std::chrono::system_clock::time_point;

  virtual ~Clock() = default;
  [[nodiscard]] virtual Monotonic now() const = 0;
  [[nodiscard]] virtual Wall wall_now() const = 0;
  // How long a wait of `nominal` really takes.
  [[nodiscard]] virtual Duration scaled(Duration nominal) const = 0;
};

class SystemClock final : public Clock {
 public:
  // `scale` multiplies every time-out and wait; 1 is real time.
  explicit SystemClock(double scale = 1.0) : scale_(scale) {}
  [[nodiscard]] Monotonic now() const override;
  [[nodiscard]] Wall wall_now() const override;
  [[nodiscard]] Duration scaled(Duration nominal) const override;

 private:
  double scale_;
};

}  // namespace castool::base
