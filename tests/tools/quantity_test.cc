#include "tools/quantity.h"

#include <gtest/gtest.h>

namespace castool::tools {
namespace {

using std::chrono::milliseconds;

TEST(ParseSize, TakesPowersOf1024) {
  struct Case {
    const char* text;
    std::uint64_t bytes;
  };
  for (const Case& c : {Case{"0", 0},
                        {"4096", 4096},
                        {"4096B", 4096},
                        {"1k", 1024},
                        {"500M", 500ull << 20},
                        {"2G", 2ull << 30},
                        {"2GiB", 2ull << 30},
                        {"2gb", 2ull << 30},
                        {"1.5G", 3ull << 29},
                        {"1T", 1ull << 40},
                        {"7P", 7ull << 50},
                        {".5K", 512}}) {
    const auto parsed = parse_size(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(*parsed, c.bytes) << c.text;
  }
}

TEST(ParseSize, RefusesEverythingElse) {
  for (const char* text : {"", "M", "-1", "+1", "1e9", "inf", "nan", "0x10", "1.2.3", "5 M", "5X",
                           "5Mi", "5MM", "5iB", "99999P", "1K ", "1/s"}) {
    const auto parsed = parse_size(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, base::Code::kUsage);
  }
}

TEST(ParseRate, IsASizeAboveZero) {
  EXPECT_EQ(*parse_rate("20M"), 20u << 20);
  EXPECT_EQ(*parse_rate("20M/s"), 20u << 20);
  EXPECT_FALSE(parse_rate("0"));
  EXPECT_FALSE(parse_rate("0.5"));  // less than a byte a second
  EXPECT_FALSE(parse_rate("fast"));
}

TEST(ParseDuration, TakesUnits) {
  EXPECT_EQ(*parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(*parse_duration("30"), milliseconds(30'000));
  EXPECT_EQ(*parse_duration("30s"), milliseconds(30'000));
  EXPECT_EQ(*parse_duration("5m"), milliseconds(300'000));
  EXPECT_EQ(*parse_duration("1.5h"), milliseconds(5'400'000));
  for (const char* text : {"", "0", "0s", "-1s", "5d", "s", "forever", "9999999h", "1e3"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(HumanSize, CountsIn1024) {
  EXPECT_EQ(human_size(0), "0 B");
  EXPECT_EQ(human_size(1023), "1023 B");
  EXPECT_EQ(human_size(1024), "1.0 KiB");
  EXPECT_EQ(human_size((1 << 20) - 1), "1.0 MiB");  // not "1024.0 KiB"
  EXPECT_EQ(human_size(1181116006), "1.1 GiB");
  EXPECT_EQ(human_size(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(human_rate(1.5 * 1024 * 1024), "1.5 MiB/s");
  EXPECT_EQ(human_rate(-1), "0 B/s");
}

TEST(HumanDuration, GrowsCoarserWithLength) {
  EXPECT_EQ(human_duration(0), "0.0 s");
  EXPECT_EQ(human_duration(3.14), "3.1 s");
  EXPECT_EQ(human_duration(9.96), "10 s");
  EXPECT_EQ(human_duration(59.6), "1m00s");
  EXPECT_EQ(human_duration(185), "3m05s");
  EXPECT_EQ(human_duration(7800), "2h10m");
  EXPECT_EQ(human_duration(4 * 86400 + 3 * 3600), "4d03h");
  EXPECT_EQ(human_duration(-1), "0.0 s");
}

TEST(HumanAge, NamesTheLargestUnitThatFits) {
  EXPECT_EQ(human_age(0), "now");
  EXPECT_EQ(human_age(42), "42 seconds ago");
  EXPECT_EQ(human_age(60), "1 minute ago");
  EXPECT_EQ(human_age(119 * 60), "119 minutes ago");
  EXPECT_EQ(human_age(2 * 3600), "2 hours ago");
  EXPECT_EQ(human_age(13 * 86400), "13 days ago");
  EXPECT_EQ(human_age(21 * 86400), "3 weeks ago");
  EXPECT_EQ(human_age(800 * 86400), "2 years ago");
}

TEST(UtcTime, IsRfc3339) {
  EXPECT_EQ(utc_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_time(1'795'231'100), "2026-11-21T03:18:20Z");
}

}  // namespace
}  // namespace castool::tools
