#include "pull/address_expiry.h"

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using std::chrono::seconds;

class SetClock final : public base::Clock {
 public:
  explicit SetClock(std::int64_t wall) : wall_(wall) {}
  [[nodiscard]] Monotonic now() const override { return Monotonic(seconds(1000)); }
  [[nodiscard]] Wall wall_now() const override { return Wall(seconds(wall_)); }
  [[nodiscard]] Duration scaled(Duration nominal) const override { return nominal; }

 private:
  std::int64_t wall_;
};

std::int64_t seconds_of(const char* url) {
  const auto until = signed_until(url);
  return until ? std::chrono::duration_cast<seconds>(until->time_since_epoch()).count() : -1;
}

TEST(SignedUntil, ReadsTheFormsInUse) {
  const struct {
    const char* url;
    std::int64_t expected;
  } rows[] = {
      {"https://cdn.example/x?Expires=1790153999&Policy=a&Signature=b", 1790153999},
      {"https://cdn.example/x?a=b&expires=1790153999", 1790153999},
      {"https://cdn.example/x?X-Amz-Date=20260923T101500Z&X-Amz-Expires=3600", 1790162100},
      {"https://cdn.example/x?X-Amz-Expires=1200&X-Amz-Date=19700101T000000Z#f", 1200},
      {"https://cdn.example/x", -1},
      {"https://cdn.example/x?Expires=", -1},
      {"https://cdn.example/x?Expires=soon", -1},
      {"https://cdn.example/x?Expires=-5", -1},
      {"https://cdn.example/x?Expires=99999999999999999999", -1},
      // Later than a system clock can count.
      {"https://cdn.example/x?Expires=253402300799", -1},
      {"https://cdn.example/x?X-Amz-Date=99991231T235959Z&X-Amz-Expires=31622400", -1},
      {"https://cdn.example/Expires=17/x?MyExpires=17", -1},
      {"https://cdn.example/x?X-Amz-Date=20261323T101500Z&X-Amz-Expires=3600", -1},
      {"https://cdn.example/x?X-Amz-Date=20260923T101500&X-Amz-Expires=3600", -1},
      {"https://cdn.example/x?X-Amz-Date=20260923T101500Z&X-Amz-Expires=9223372036854775807", -1},
      {"https://cdn.example/x?X-Amz-Date=20260923T101500Z", -1},
      {"https://cdn.example/x?&&=&Expires", -1},
  };
  for (const auto& row : rows) EXPECT_EQ(seconds_of(row.url), row.expected) << row.url;
}

TEST(AddressExpiry, LeavesAMargin) {
  const SetClock clock(1000);
  EXPECT_EQ(address_expiry("https://c.example/?Expires=4600", clock),
            base::Clock::Monotonic(seconds(1000 + 3600 - 30)));
}

TEST(AddressExpiry, LeavesMostOfAShortLife) {
  const SetClock clock(1000);
  EXPECT_EQ(address_expiry("https://c.example/?Expires=1008", clock),
            base::Clock::Monotonic(seconds(1000 + 8 - 2)));
  EXPECT_EQ(address_expiry("https://c.example/?Expires=1001", clock),
            base::Clock::Monotonic(seconds(1000) + std::chrono::milliseconds(750)));
}

TEST(AddressExpiry, IsUnknownWhenAClockIsWrong) {
  EXPECT_EQ(address_expiry("https://c.example/?Expires=4600", SetClock(4600)), std::nullopt);
  EXPECT_EQ(address_expiry("https://c.example/?Expires=4600", SetClock(99999)), std::nullopt);
  EXPECT_EQ(address_expiry("https://c.example/?Expires=4000000000", SetClock(1000)), std::nullopt);
  EXPECT_EQ(address_expiry("https://c.example/", SetClock(1000)), std::nullopt);
}

}  // namespace
}  // namespace castool::pull
