#include "pull/handed_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Sums = std::vector<std::uint64_t>;
const Sums kRight = {10, 11, 12, 13};

TEST(HandedOut, NothingGivenIsNothingWrong) {
  HandedOut handed;
  EXPECT_TRUE(handed.empty());
  EXPECT_THAT(handed.wrong(kRight), IsEmpty());
}

TEST(HandedOut, WhatWasGivenRightStaysRight) {
  HandedOut handed;
  handed.give(1, Sums{11, 12});
  handed.give(1, Sums{11});
  EXPECT_THAT(handed.wrong(kRight), IsEmpty());
}

TEST(HandedOut, OnlyChunksThatWereGivenCount) {
  HandedOut handed;
  handed.give(2, Sums{99});
  EXPECT_THAT(handed.wrong(kRight), ElementsAre(2u));
  HandedOut other;
  other.give(3, Sums{13});
  EXPECT_THAT(other.wrong(Sums{10, 11, 99, 13}), IsEmpty());
}

TEST(HandedOut, OnceWrongIsWrongWhateverCameLater) {
  HandedOut handed;
  handed.give(0, Sums{99});
  handed.give(0, Sums{10});
  EXPECT_THAT(handed.wrong(kRight), ElementsAre(0u));
}

TEST(HandedOut, WhatRottedIsWrongIfItWasGiven) {
  HandedOut handed;
  handed.give(0, Sums{10});
  handed.suspect(0, 3);
  EXPECT_THAT(handed.wrong(kRight), ElementsAre(0u));
}

TEST(HandedOut, ABlobWithoutChecksumsHasNothingRight) {
  HandedOut handed;
  handed.give(0, Sums{10});
  EXPECT_THAT(handed.wrong({}), ElementsAre(0u));
}

TEST(HandedOut, AnotherProcessGoesOnWithIt) {
  HandedOut first;
  first.give(1, Sums{11});
  first.give(3, Sums{13});
  first.suspect(3, 1);
  HandedOut second;
  second.give(0, Sums{99});
  ASSERT_TRUE(second.add(first.bytes()));
  EXPECT_THAT(second.wrong(kRight), ElementsAre(0, 3));
  EXPECT_FALSE(second.add("x"));
  EXPECT_FALSE(
      second.add("\x07"
                 "12345678"));
}

}  // namespace
}  // namespace castool::pull
