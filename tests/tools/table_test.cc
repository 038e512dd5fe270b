#include "tools/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::tools {
namespace {

using testing::ElementsAre;

TEST(Table, AlignsColumns) {
  Table table({{"NAME"}, {"SIZE", Align::kRight}, {"STATE"}});
  table.add({"a/b", "1.0 KiB", "complete"});
  table.add({"a-much-longer/name", "12 B", "partial"});
  EXPECT_THAT(table.lines(), ElementsAre("NAME                   SIZE  STATE",
                                         "a/b                 1.0 KiB  complete",
                                         "a-much-longer/name     12 B  partial"));
}

TEST(Table, CountsCodePointsAndDefusesControlCharacters) {
  Table table({{"FILE"}, {"X"}});
  table.add({"grün", "1"});
  table.add({"a\x1b[2J", "2"});
  EXPECT_THAT(table.lines(), ElementsAre("FILE   X", "grün   1", "a?[2J  2"));
}

TEST(Table, OfNothingIsItsTitles) {
  EXPECT_THAT(Table({{"NAME"}, {"AGE"}}).lines(), ElementsAre("NAME  AGE"));
}

TEST(Shorten, KeepsTheEndOfAName) {
  EXPECT_EQ(shorten("model.bin", 9), "model.bin");
  EXPECT_EQ(shorten("very/long/path/model.bin", 13), "very…odel.bin");
  EXPECT_EQ(text_width(shorten("ääääääääääää", 5)), 5u);
  EXPECT_EQ(shorten("ääääääääääää", 4), "ä…ää");
  EXPECT_EQ(shorten("abc", 1), "…");
  EXPECT_EQ(shorten("abc", 0), "");
}

}  // namespace
}  // namespace castool::tools
