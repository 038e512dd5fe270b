#include "base/byte_range.h"

#include <gtest/gtest.h>

namespace castool::base {
namespace {

TEST(ByteRange, IntersectsAndContains) {
  const ByteRange range{10, 10};
  EXPECT_EQ(range.intersect({15, 100}), (ByteRange{15, 5}));
  EXPECT_EQ(range.intersect({0, 100}), range);
  EXPECT_TRUE(range.intersect({20, 5}).empty());
  EXPECT_TRUE(range.intersect({0, 10}).empty());
  EXPECT_TRUE(range.contains({10, 10}));
  EXPECT_TRUE(range.contains({12, 0}));
  EXPECT_FALSE(range.contains({9, 2}));
  EXPECT_FALSE(range.contains({19, 2}));
}

}  // namespace
}  // namespace castool::base
