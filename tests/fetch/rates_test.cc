// The small values that pace a download: range lengths, the byte rate, the number of connections.
#include <gtest/gtest.h>

#include "fetch/connection_window.h"
#include "fetch/host_backoff.h"
#include "fetch/range_planner.h"
#include "fetch/token_bucket.h"

namespace castool::fetch {
namespace {

using base::Clock;
constexpr std::uint64_t kMiB = 1 << 20;
using Use = ConnectionWindow::Use;

TEST(PlanRange, IsLargeAtFirstAndShrinksNearTheEnd) {
  EXPECT_EQ(plan_range(10'000 * kMiB, 16), 8 * kMiB);
  EXPECT_EQ(plan_range(256 * kMiB, 16), 8 * kMiB);
  EXPECT_EQ(plan_range(64 * kMiB, 16), 2 * kMiB);
  EXPECT_EQ(plan_range(16 * kMiB, 16), kMiB);
  EXPECT_EQ(plan_range(0, 16), kMiB);
  EXPECT_EQ(plan_range(64 * kMiB, 0), 8 * kMiB);
}

TEST(TokenBucket, KeepsTheRateOverTime) {
  Clock::Monotonic now{};
  TokenBucket bucket(1'000'000, now);
  std::uint64_t taken = 0;
  const Clock::Monotonic end = now + std::chrono::seconds(10);
  while (now < end) {
    const auto wait = bucket.take(16'384, now);
    if (wait == Clock::Duration(0)) {
      taken += 16'384;
    } else {
      now += wait;
    }
  }
  EXPECT_NEAR(static_cast<double>(taken), 10e6, 20e3);
}

TEST(TokenBucket, MakesUpForAPauseOfAtMostATenthOfASecond) {
  Clock::Monotonic now{};
  TokenBucket bucket(1'000'000, now);
  now += std::chrono::hours(1);
  std::uint64_t taken = 0;
  while (bucket.take(1'000, now) == Clock::Duration(0)) taken += 1'000;
  EXPECT_LE(taken, 102'000U);
}

TEST(ConnectionWindow, GrowsWhileItPays) {
  ConnectionWindow window(16);
  EXPECT_EQ(window.limit(), 8);
  double rate = 80;
  for (int i = 0; i < 10; ++i) {
    window.on_sample(rate, Use::kFull);
    rate = 10.0 * window.limit();
  }
  EXPECT_EQ(window.limit(), 16);
}

TEST(ConnectionWindow, StopsGrowingWhenNothingIsGained) {
  ConnectionWindow window(32);
  window.on_sample(100, Use::kFull);
  EXPECT_EQ(window.limit(), 12);
  for (int i = 0; i < ConnectionWindow::kPatience; ++i) window.on_sample(100, Use::kFull);
  EXPECT_EQ(window.limit(), 12);
  // Then it tries again, because links change.
  window.on_sample(100, Use::kFull);
  window.on_sample(100, Use::kFull);
  EXPECT_EQ(window.limit(), 18);
}

TEST(ConnectionWindow, DoesNotGrowWhileConnectionsAreIdle) {
  ConnectionWindow window(16);
  for (int i = 0; i < 100; ++i) window.on_sample(1000.0 * i, Use::kIdle);
  EXPECT_EQ(window.limit(), 8);
}

TEST(ConnectionWindow, HalvesOnPushBackAndWaitsAndThenGrowsByOnes) {
  ConnectionWindow window(16);
  window.on_push_back();
  EXPECT_EQ(window.limit(), 4);
  window.on_push_back();
  window.on_push_back();
  window.on_push_back();
  EXPECT_EQ(window.limit(), 1);
  for (int i = 0; i < ConnectionWindow::kPenalty; ++i) window.on_sample(100, Use::kFull);
  EXPECT_EQ(window.limit(), 1);
  double rate = 100;
  for (int limit = 2; limit <= 6; ++limit) {
    window.on_sample(rate, Use::kFull);
    EXPECT_EQ(window.limit(), limit);
    rate *= 2;
  }
  EXPECT_EQ(ConnectionWindow(2).limit(), 2);
  EXPECT_EQ(ConnectionWindow(0).limit(), 1);
}

TEST(HostBackoff, TheLongestWishHoldsForThatOriginOnly) {
  HostBackoff backoff;
  const Origin here{"https", "h", 443};
  const Origin there{"https", "h", 444};
  const Clock::Monotonic base{std::chrono::hours(1)};
  EXPECT_LT(backoff.free_at(here), base);
  backoff.defer(here, base + std::chrono::seconds(10));
  backoff.defer(here, base + std::chrono::seconds(5));
  EXPECT_EQ(backoff.free_at(here), base + std::chrono::seconds(10));
  EXPECT_LT(backoff.free_at(there), base);
}

}  // namespace
}  // namespace castool::fetch
