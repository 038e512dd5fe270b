// A byte rate, kept exactly over time. A value without locks; time is an argument.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace castool::fetch {

class TokenBucket {
 public:
  // Starts empty; a pause of the taker is made up for at most 100 ms.
  TokenBucket(std::uint64_t bytes_per_second, base::Clock::Monotonic now);

  // Takes `bytes` and returns zero, or takes nothing and returns how long to wait before asking
  // again. What is taken may exceed what is there; the debt delays the next taker.
  [[nodiscard]] base::Clock::Duration take(std::uint64_t bytes, base::Clock::Monotonic now);

 private:
  double rate_;
  double tokens_ = 0;
  base::Clock::Monotonic last_;
};

}  // namespace castool::fetch
