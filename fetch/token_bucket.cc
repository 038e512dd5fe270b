#include "fetch/token_bucket.h"

#include <algorithm>

namespace castool::fetch {
namespace {

constexpr double kBurstSeconds = 0.1;
using Seconds = std::chrono::duration<double>;

}  // namespace

TokenBucket::TokenBucket(std::uint64_t bytes_per_second, base::Clock::Monotonic now)
    : rate_(static_cast<double>(std::max<std::uint64_t>(bytes_per_second, 1))), last_(now) {}

base::Clock::Duration TokenBucket::take(std::uint64_t bytes, base::Clock::Monotonic now) {
  const double elapsed = std::max(Seconds(now - last_).count(), 0.0);
  tokens_ = std::min(tokens_ + elapsed * rate_, kBurstSeconds * rate_);
  last_ = std::max(last_, now);
  // A thousandth of a byte short is rounding, not debt.
  if (tokens_ < -1e-3) {
    return std::chrono::ceil<base::Clock::Duration>(Seconds(-tokens_ / rate_));
  }
  tokens_ -= static_cast<double>(bytes);
  return base::Clock::Duration(0);
}

}  // namespace castool::fetch
