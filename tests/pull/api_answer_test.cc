#include "pull/api_answer.h"

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

TEST(BrokenJson, IsWhatMayComeRightWhenAskedAgain) {
  for (const char* broken : {"", "<!DOCTYPE html>", R"({"sha":"ab)", R"([{"a":1},)", "{]"}) {
    EXPECT_TRUE(is_broken_json(broken)) << broken;
  }
}

TEST(BrokenJson, IsNotWhatSaysSomethingWrong) {
  for (const char* whole : {"{}", "[]", R"({"a":1,"a":2})", R"({"digest":"../../x"})"}) {
    EXPECT_FALSE(is_broken_json(whole)) << whole;
  }
}

}  // namespace
}  // namespace castool::pull
