#include "tools/progress_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/table.h"

namespace castool::tools {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr std::uint64_t kMiB = 1 << 20;
const Instant kStart{seconds(1000)};

TEST(RateMeter, MeasuresTheLastSeconds) {
  RateMeter meter;
  EXPECT_EQ(meter.rate(kStart), 0);
  meter.add(kStart, 0);
  meter.add(kStart + seconds(1), 100);
  EXPECT_DOUBLE_EQ(meter.rate(kStart + seconds(1)), 100);
  // Fast once, slow for a long time: only the slow part counts.
  for (int i = 2; i <= 20; ++i) meter.add(kStart + seconds(i), 100 + static_cast<unsigned>(i));
  EXPECT_NEAR(meter.rate(kStart + seconds(20)), 1, 0.1);
  // Nothing for a long time.
  EXPECT_NEAR(meter.rate(kStart + seconds(1000)), 0, 0.01);
}

TEST(RateMeter, GathersFrequentUpdates) {
  RateMeter meter;
  meter.add(kStart, 0);
  for (int i = 1; i <= 2000; ++i) {
    meter.add(kStart + milliseconds(i), static_cast<std::uint64_t>(i));
  }
  EXPECT_NEAR(meter.rate(kStart + milliseconds(2000)), 1000, 60);
}

TEST(RemainingSeconds, IsUnknownWhenNothingMoves) {
  EXPECT_EQ(remaining_seconds(10, 10, 0), 0.0);
  EXPECT_EQ(remaining_seconds(0, 10, 0), std::nullopt);
  EXPECT_EQ(remaining_seconds(5, 10, 2), 2.5);
}

TEST(ProgressState, AddsUpItsFiles) {
  ProgressState state("a/b", kStart);
  state.update("x", 100, 0, kStart);
  state.update("y", 300, 100, kStart);
  EXPECT_EQ(state.total(), 400u);
  EXPECT_EQ(state.completed(), 100u);
  EXPECT_EQ(state.percent(), 25);
  state.update("y", 300, 50, kStart);  // never back
  EXPECT_EQ(state.completed(), 100u);
  state.update("y", 300, 999, kStart);  // never past the end
  EXPECT_EQ(state.completed(), 300u);
}

TEST(ProgressState, IsComplete100OnlyAtTheEnd) {
  ProgressState state("a/b", kStart);
  state.update("x", 1'000'000, 999'999, kStart);
  EXPECT_EQ(state.percent(), 99);
  state.update("x", 1'000'000, 1'000'000, kStart);
  EXPECT_EQ(state.percent(), 100);
}

TEST(ProgressState, WhatWasThereBeforeIsNoRate) {
  ProgressState state("a/b", kStart);
  state.update("big", 1000 * kMiB, 900 * kMiB, kStart + seconds(1));
  EXPECT_THAT(state.summary(kStart + seconds(1)), HasSubstr("a/b: 90%"));
  EXPECT_THAT(state.summary(kStart + seconds(1)), HasSubstr(", 0 B/s"));
  state.update("big", 1000 * kMiB, 910 * kMiB, kStart + seconds(2));
  EXPECT_EQ(state.summary(kStart + seconds(2)),
            "a/b: 91%, 910.0 MiB of 1000.0 MiB, 5.0 MiB/s, 18 s left");
}

TEST(ProgressState, SmallFilesThatArriveWholeAreARate) {
  ProgressState state("a/b", kStart);
  state.update("s1", 1024, 1024, kStart + seconds(1));
  state.update("s2", 1024, 1024, kStart + seconds(2));
  EXPECT_THAT(state.summary(kStart + seconds(2)), HasSubstr("1.0 KiB/s"));
}

TEST(ProgressState, ShowsItsStatusBeforeAnySizeIsKnown) {
  ProgressState state("a/b", kStart);
  EXPECT_THAT(state.bars(80, 24, kStart), testing::ElementsAre("a/b"));
  state.set_status("pulling manifest");
  EXPECT_THAT(state.bars(80, 24, kStart), testing::ElementsAre("a/b: pulling manifest"));
  EXPECT_EQ(state.summary(kStart), "a/b: pulling manifest");
}

ProgressState busy_state(int files) {
  ProgressState state("acme/a-model-with-a-rather-long-name", kStart);
  for (int i = 0; i < files; ++i) {
    const std::string label = "folder/model-0000" + std::to_string(i) + "-of-00009.safetensors";
    state.update(label, 100 * kMiB, 0, kStart);
    state.update(label, 100 * kMiB, 50 * kMiB, kStart + seconds(1));
  }
  state.update("config.json", 1024, 1024, kStart + seconds(1));
  return state;
}

TEST(ProgressState, DrawsABarAndItsActiveFiles) {
  const auto lines = busy_state(2).bars(100, 24, kStart + seconds(1));
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[0], HasSubstr("[=="));
  EXPECT_THAT(lines[0], HasSubstr(" 50%  100.0 MiB / 200.0 MiB"));
  EXPECT_THAT(lines[0], HasSubstr("100.0 MiB/s  ETA 1.0 s"));
  EXPECT_THAT(lines[1], HasSubstr("model-00000"));
  EXPECT_THAT(lines[1], HasSubstr("50%  50.0 MiB / 100.0 MiB"));
  EXPECT_THAT(lines[2], Not(HasSubstr("config.json")));
}

TEST(ProgressState, ShowsAtMostFiveFiles) {
  const auto lines = busy_state(8).bars(100, 24, kStart + seconds(1));
  ASSERT_THAT(lines, SizeIs(7));
  EXPECT_EQ(lines.back(), "  and 3 more");
}

TEST(ProgressState, FitsAnyTerminal) {
  const ProgressState state = busy_state(8);
  for (std::size_t columns = 1; columns <= 200; ++columns) {
    for (const std::size_t rows : {1u, 2u, 4u, 50u}) {
      const auto lines = state.bars(columns, rows, kStart + seconds(1));
      EXPECT_LE(lines.size(), rows);
      for (const std::string& line : lines) EXPECT_LE(text_width(line), columns) << line;
    }
  }
  EXPECT_TRUE(state.bars(80, 0, kStart).empty());
}

TEST(ProgressState, DefusesNames) {
  ProgressState state("a/\x1b[31m", kStart);
  state.update("\x1b]0;x\x07", 2 * kMiB, kMiB, kStart);
  for (const std::string& line : state.bars(80, 24, kStart)) {
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
  }
  EXPECT_THAT(state.summary(kStart), Not(HasSubstr("\x1b")));
}

TEST(LinePacer, IsDueAfterFiveSecondsOrTenPercent) {
  LinePacer pacer(kStart);
  EXPECT_FALSE(pacer.due(kStart + milliseconds(500), 50));  // at most one a second
  EXPECT_TRUE(pacer.due(kStart + seconds(1), 50));
  EXPECT_FALSE(pacer.due(kStart + seconds(3), 59));
  EXPECT_TRUE(pacer.due(kStart + seconds(3), 60));
  EXPECT_FALSE(pacer.due(kStart + seconds(7), 61));
  EXPECT_TRUE(pacer.due(kStart + seconds(8), 61));
}

}  // namespace
}  // namespace castool::tools
