#include "base/clock.h"

namespace castool::base {

Clock::Monotonic SystemClock::now() const { return std::chrono::steady_clock::now(); }

Clock::Wall SystemClock::wall_now() const { return std::chrono::system_clock::now(); }

Clock::Duration SystemClock::scaled(Duration nominal) const {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, std::nano>(static_cast<double>(nominal.count()) * scale_));
}

}  // namespace castool::base
