#include <chrono>

#include "pull/address_expiry.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace base = castool::base;
namespace pull = castool::pull;

namespace {

class FixedClock final : public base::Clock {
 public:
  [[nodiscard]] Monotonic now() const override { return Monotonic(std::chrono::hours(1)); }
  [[nodiscard]] Wall wall_now() const override {
    return std::chrono::sys_days(std::chrono::year(2026) / 11 / 21);
  }
  [[nodiscard]] Duration scaled(Duration nominal) const override { return nominal; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto url = castool::fuzz::text_of(data, size);
  const FixedClock clock;
  const auto until = pull::signed_until(url);
  require(!until || until->time_since_epoch().count() >= 0, "no time before 1970");
  const auto expiry = pull::address_expiry(url, clock);
  require(!expiry || until, "what does not expire has no expiry");
  if (expiry) {
    require(*expiry > clock.now(), "an address is good for a while or its expiry is unknown");
    require(*expiry - clock.now() < *until - clock.wall_now(), "our clock is the earlier one");
  }
  return 0;
}
