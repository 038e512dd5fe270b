#include "manifest/printable.h"

#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

TEST(Printable, EscapesWhatCouldLeaveTheLine) {
  EXPECT_EQ(printable("a b"), "\"a b\"");
  EXPECT_EQ(printable("é"), "\"é\"");
  EXPECT_EQ(printable("a\n\x1b[31m"), "\"a\\x0a\\x1b[31m\"");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\"\\x00\"");
  EXPECT_EQ(printable("\xc2\x9b"), "\"\\xc2\\x9b\"");
  EXPECT_EQ(printable("\xff"), "\"\\xff\"");
  EXPECT_EQ(printable("a\"\\"), "\"a\\x22\\x5c\"");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 3), "\"abc...\"");
  EXPECT_EQ(printable("abc", 3), "\"abc\"");
  EXPECT_EQ(printable("aéb", 2), "\"aé...\"");
}

}  // namespace
}  // namespace castool::manifest
