#include "fetch/wait_hints.h"

#include <optional>

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

using std::chrono::seconds;

const base::Clock::Wall kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21);

TEST(RetryAfter, ReadsSecondsAndDates) {
  EXPECT_EQ(parse_retry_after("120", kNow), seconds(120));
  EXPECT_EQ(parse_retry_after(" 0 ", kNow), seconds(0));
  EXPECT_EQ(parse_retry_after("Sat, 21 Nov 2026 00:01:30 GMT", kNow), seconds(90));
  EXPECT_EQ(parse_retry_after("Fri, 20 Nov 2026 00:00:00 GMT", kNow), seconds(0));
  EXPECT_EQ(parse_retry_after("Sat, 21 Nov 2026 00:00:01 GMT", kNow - std::chrono::milliseconds(1)),
            seconds(2));
  EXPECT_GE(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", kNow), seconds(1'000'000));
  EXPECT_GE(parse_retry_after("99999999999999999999999", kNow), seconds(1'000'000));
}

TEST(RetryAfter, RefusesEverythingElse) {
  for (const char* text : {"", "-1", "1.5", "soon", "1 2", "0x10", "Sat, 21 Nov 2026 00:01:30",
                           "Sat, 31 Feb 2026 00:00:00 GMT", "Sat, 21 Foo 2026 00:00:00 GMT",
                           "Sat, 21 Nov 2026 25:00:00 GMT", "2026-11-21T00:00:00Z"}) {
    EXPECT_EQ(parse_retry_after(text, kNow), std::nullopt) << text;
  }
}

TEST(RateLimitHeader, ReadsTheHubsForm) {
  const auto limit = parse_rate_limit("\"api\";r=0;t=55");
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->remaining, 0U);
  EXPECT_EQ(limit->reset, seconds(55));
  const auto spaced = parse_rate_limit("\"resolvers\"; r=2999 ; t=10");
  ASSERT_TRUE(spaced);
  EXPECT_EQ(spaced->remaining, 2999U);
  EXPECT_EQ(parse_rate_limit("\"api\";r=5;t=1, \"pages\";r=0;t=7")->reset, seconds(7));
  for (const char* text : {"", "\"api\"", "r=0", "t=5", "r=x;t=1", ";;;", ",,"}) {
    EXPECT_FALSE(parse_rate_limit(text)) << text;
  }
}

TEST(WaitHint, ExhaustedBucketGoesBeforeRetryAfter) {
  Headers headers;
  headers.add("Retry-After", "3");
  EXPECT_EQ(wait_hint(headers, kNow), seconds(3));
  headers.add("RateLimit", "\"api\";r=10;t=55");
  EXPECT_EQ(wait_hint(headers, kNow), seconds(3));
  Headers exhausted;
  exhausted.add("Retry-After", "3");
  exhausted.add("ratelimit", "\"api\";r=0;t=55");
  EXPECT_EQ(wait_hint(exhausted, kNow), seconds(56));
  EXPECT_EQ(wait_hint({}, kNow), std::nullopt);
}

}  // namespace
}  // namespace castool::fetch
