#include "pull/read_streams.h"

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kBlob = 10'000 * kMiB;

TEST(ReadStreams, AWindowGrowsWithWhatIsReadInOrder) {
  ReadStreams streams(kBlob);
  const struct {
    std::uint64_t read_mib;  // one MiB from here
    std::uint64_t window_mib;
  } rows[] = {{0, 1}, {1, 2}, {2, 4}, {3, 4}, {4, 8}, {5, 8}, {6, 8}, {7, 8}, {8, 16}};
  for (const auto& row : rows) {
    const auto advice = streams.on_read({row.read_mib * kMiB, kMiB});
    EXPECT_EQ(advice.ahead.offset, (row.read_mib + 1) * kMiB);
    EXPECT_EQ(advice.ahead.length, row.window_mib * kMiB) << row.read_mib;
    EXPECT_FALSE(advice.whole);
  }
  std::uint64_t largest = 0;
  for (std::uint64_t at = 9; at < 300; ++at) {
    largest = std::max(largest, streams.on_read({at * kMiB, kMiB}).ahead.length);
  }
  EXPECT_EQ(largest, ReadStreams::kLargestWindow);
}

TEST(ReadStreams, SmallReadsGrowItByBytesToo) {
  ReadStreams streams(kBlob);
  std::uint64_t window = 0;
  for (std::uint64_t at = 0; at < 64; ++at) {
    window = streams.on_read({at * 4096, 4096}).ahead.length;
  }
  EXPECT_EQ(window, kMiB);
}

TEST(ReadStreams, AReadElsewhereIsNotReadAheadOfBeforeItGoesOn) {
  ReadStreams streams(kBlob);
  EXPECT_TRUE(streams.on_read({500 * kMiB, 4096}).ahead.empty());
  EXPECT_EQ(streams.on_read({500 * kMiB + 4096, 4096}).ahead.length, kMiB);
}

TEST(ReadStreams, KernelsReadALittleOutOfOrder) {
  ReadStreams streams(kBlob);
  static_cast<void>(streams.on_read({0, kMiB}));
  const auto skipped = streams.on_read({2 * kMiB, kMiB});
  EXPECT_EQ(skipped.ahead.offset, 3 * kMiB);
  const auto back = streams.on_read({kMiB, kMiB});
  EXPECT_EQ(back.ahead.offset, 3 * kMiB);  // nothing behind is wanted again
}

TEST(ReadStreams, SeveralStreamsGrowBesideEachOther) {
  ReadStreams streams(kBlob);
  std::uint64_t first = 0, second = 0;
  for (std::uint64_t at = 0; at < 40; ++at) {
    first = streams.on_read({at * kMiB, kMiB}).ahead.length;
    second = streams.on_read({(5000 + at) * kMiB, kMiB}).ahead.length;
  }
  EXPECT_GE(first, 16 * kMiB);
  EXPECT_GE(second, 16 * kMiB);
}

TEST(ReadStreams, ReadsElsewhereShrinkAWindow) {
  ReadStreams streams(kBlob);
  std::uint64_t window = 0;
  for (std::uint64_t at = 0; at < 100; ++at)
    window = streams.on_read({at * kMiB, kMiB}).ahead.length;
  ASSERT_EQ(window, ReadStreams::kLargestWindow);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    static_cast<void>(streams.on_read({(1000 + 500 * i) * kMiB, 4096}));
  }
  EXPECT_LE(streams.on_read({100 * kMiB, 4096}).ahead.length, window / 4);
}

TEST(ReadStreams, ManyReadsElsewhereWantEverything) {
  const struct {
    std::uint64_t blob;
    int reads;
    bool whole;
  } rows[] = {
      {kBlob, ReadStreams::kScattered - 1, false},
      {kBlob, ReadStreams::kScattered, true},
      {ReadStreams::kScatterable - 1, 1000, false},
  };
  for (const auto& row : rows) {
    ReadStreams streams(row.blob);
    bool whole = false;
    std::uint64_t at = kMiB;
    for (int i = 0; i < row.reads; ++i) {
      at = (at + 7 * kMiB * 37) % row.blob;
      whole = streams.on_read({at, 4096}).whole;
    }
    EXPECT_EQ(whole, row.whole) << row.blob << " " << row.reads;
  }
}

TEST(ReadStreams, NothingIsWantedBehindTheEnd) {
  ReadStreams streams(3 * kMiB);
  static_cast<void>(streams.on_read({0, 2 * kMiB}));
  const auto advice = streams.on_read({2 * kMiB, kMiB / 2});
  EXPECT_EQ(advice.ahead.end(), 3 * kMiB);
  EXPECT_TRUE(streams.on_read({3 * kMiB - 10, 10}).ahead.empty());
}

}  // namespace
}  // namespace castool::pull
