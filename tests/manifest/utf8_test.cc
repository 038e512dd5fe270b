#include "manifest/utf8.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

TEST(Utf8, TakesEveryWellFormedLength) {
  for (const std::string good :
       {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << testing::PrintToString(good);
  }
  EXPECT_EQ(first_code_point("\xf4\x8f\xbf\xbf").value, 0x10ffffu);
  EXPECT_EQ(first_code_point("\xe2\x82\xac!").value, 0x20acu);
  EXPECT_EQ(first_code_point("\xe2\x82\xac!").size, 3u);
}

TEST(Utf8, RefusesIllFormed) {
  const std::vector<std::string> bad{"\x80",
                                     "\xbf",
                                     "\xc0\x80",
                                     "\xc1\xbf",
                                     "\xc2",
                                     "\xc2\x41",
                                     "\xe0\x80\x80",
                                     "\xe0\x9f\xbf",
                                     "\xe2\x82",
                                     "\xed\xa0\x80",
                                     "\xed\xbf\xbf",
                                     "\xf0\x80\x80\x80",
                                     "\xf0\x8f\xbf\xbf",
                                     "\xf4\x90\x80\x80",
                                     "\xf5\x80\x80\x80",
                                     "\xff",
                                     "a\xfe"};
  for (const std::string& text : bad) EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
}

TEST(Utf8, ControlsAreC0DelAndC1) {
  EXPECT_TRUE(is_control(0));
  EXPECT_TRUE(is_control(0x1f));
  EXPECT_FALSE(is_control(' '));
  EXPECT_FALSE(is_control('~'));
  EXPECT_TRUE(is_control(0x7f));
  EXPECT_TRUE(is_control(0x9b));
  EXPECT_FALSE(is_control(0xa0));
}

}  // namespace
}  // namespace castool::manifest
