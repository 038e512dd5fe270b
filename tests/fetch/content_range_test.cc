#include "fetch/content_range.h"

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

TEST(ContentRange, ReadsTheOneForm) {
  const auto parsed = parse_content_range("bytes 0-99/1000");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->range, (base::ByteRange{0, 100}));
  EXPECT_EQ(parsed->total, 1000U);
  const auto unknown = parse_content_range("bytes 5-5/*");
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->range, (base::ByteRange{5, 1}));
  EXPECT_FALSE(unknown->total);
  const auto last = parse_content_range("bytes 18446744073709551613-18446744073709551614/*");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->range.end(), 18446744073709551615U);
}

TEST(ContentRange, RefusesEverythingElse) {
  for (const char* text : {"",
                           "bytes",
                           "bytes ",
                           "bytes */1000",
                           "bytes 0-99",
                           "bytes 0-99/",
                           "bytes 99-0/1000",
                           "bytes 0-1000/1000",
                           "bytes 0-99/99",
                           "Bytes 0-9/10",
                           "items 0-9/10",
                           "bytes=0-9/10",
                           "bytes -5-9/10",
                           "bytes 0--9/10",
                           "bytes +0-9/10",
                           "bytes 0 - 9/10",
                           "bytes 0-9/10 ",
                           "bytes 0-9/1e3",
                           "bytes 0-18446744073709551615/*",
                           "bytes 0-18446744073709551616/*",
                           "bytes 0-9/18446744073709551616",
                           "bytes 0-9/-1",
                           "bytes 0x0-9/10",
                           "bytes  0-9/10",
                           "bytes 0-9/*x"}) {
    EXPECT_FALSE(parse_content_range(text)) << text;
  }
}

}  // namespace
}  // namespace castool::fetch
