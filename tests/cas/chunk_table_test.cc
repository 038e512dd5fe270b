#include "cas/chunk_table.h"

#include <gtest/gtest.h>

#include "cas/partial.h"
#include "tests/cas/store_fixture.h"

namespace castool::cas {
namespace {

TableHeader some_header() { return {base::Sha256::of("x"), 3 * kChunkSize + 5, "https://h o/n"}; }

TEST(ChunkTable, HeaderSurvivesTheRoundTrip) {
  for (const std::string& origin :
       {std::string(), std::string("https://h o/n"), std::string(kMaxOrigin, 'x')}) {
    TableHeader header = some_header();
    header.origin = origin;
    EXPECT_EQ(decode_header(encode_header(header)), header);
  }
}

TEST(ChunkTable, HeaderWithAnyByteFlippedOrCutIsRefused) {
  const auto good = encode_header(some_header());
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= std::byte{0x40};
    EXPECT_FALSE(decode_header(bad)) << i;
    EXPECT_FALSE(decode_header(std::span(good).first(i))) << i;
  }
  EXPECT_FALSE(decode_header(std::vector<std::byte>(kHeaderSize)));
}

TEST(ChunkTable, EpochSurvivesTheRoundTripAndNoFlip) {
  Epoch epoch;
  epoch.boot.fill(std::byte{7});
  epoch.state = EpochState::kClean;
  const auto good = encode_epoch(epoch);
  EXPECT_EQ(decode_epoch(good), epoch);
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= std::byte{1};
    EXPECT_FALSE(decode_epoch(bad)) << i;
    EXPECT_FALSE(decode_epoch(std::span(good).first(i))) << i;
  }
  EXPECT_FALSE(decode_epoch(std::vector<std::byte>(kEpochSize)));
}

TEST(ChunkTable, OnlyACleanStopOrTheSameBootKeepsBytes) {
  BootId one, two;
  one.fill(std::byte{1});
  two.fill(std::byte{2});
  const BootId unknown{};
  const struct {
    std::optional<Epoch> epoch;
    BootId now;
    bool suspect;
  } rows[] = {
      {Epoch{one, EpochState::kDirty}, one, false},
      {Epoch{one, EpochState::kDirty}, two, true},
      {Epoch{one, EpochState::kClean}, two, false},
      {Epoch{one, EpochState::kDirty}, unknown, true},
      {Epoch{unknown, EpochState::kDirty}, one, true},
      {Epoch{unknown, EpochState::kDirty}, unknown, true},
      {Epoch{unknown, EpochState::kClean}, unknown, false},
      {std::nullopt, one, true},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(may_have_lost_bytes(row.epoch, row.now), row.suspect) << &row - rows;
  }
}

TEST(ChunkTable, RecordSurvivesTheRoundTrip) {
  for (const ChunkRecord& record :
       {ChunkRecord{0x0123456789abcdef, 0, ChunkState::kPresent},
        ChunkRecord{5, 0xffffff, ChunkState::kPresent}, ChunkRecord{0, 3, ChunkState::kAbsent}}) {
    EXPECT_EQ(decode_record(9, encode_record(9, record)), record);
  }
}

TEST(ChunkTable, ZerosAreAnAbsentChunk) {
  EXPECT_EQ(decode_record(0, std::vector<std::byte>(kRecordSize)), ChunkRecord{});
}

TEST(ChunkTable, RecordWithAnyBitFlippedOrTornIsAbsent) {
  const auto good = encode_record(3, {0x1122334455667788, 1, ChunkState::kPresent});
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      auto bad = good;
      bad[i] ^= std::byte{1} << bit;
      EXPECT_FALSE(decode_record(3, bad).present()) << i << "/" << bit;
    }
    // A torn write: the first i bytes are new, the rest is still the empty record.
    std::array<std::byte, kRecordSize> torn{};
    std::copy_n(good.begin(), i, torn.begin());
    EXPECT_FALSE(decode_record(3, torn).present()) << i;
  }
}

TEST(ChunkTable, RecordOfAnotherChunkIsAbsent) {
  EXPECT_FALSE(decode_record(4, encode_record(3, {1, 0, ChunkState::kPresent})).present());
}

TEST(ChunkTable, LaterInTheLifeOfAChunkIsNewer) {
  const ChunkRecord absent{};
  const ChunkRecord present{1, 0, ChunkState::kPresent};
  const ChunkRecord gone = dropped(present);
  const ChunkRecord again{2, gone.drops, ChunkState::kPresent};
  const std::array life = {absent, present, gone, again};
  for (std::size_t i = 0; i < life.size(); ++i) {
    for (std::size_t j = 0; j < life.size(); ++j) {
      EXPECT_EQ(life[i].newer_than(life[j]), i > j) << i << " " << j;
    }
  }
}

TEST(ChunkTable, CountsAndLengthsOfChunks) {
  EXPECT_EQ(chunk_count(0), 0u);
  EXPECT_EQ(chunk_count(1), 1u);
  EXPECT_EQ(chunk_count(kChunkSize), 1u);
  EXPECT_EQ(chunk_count(kChunkSize + 1), 2u);
  EXPECT_EQ(chunk_length(kChunkSize + 1, 0), kChunkSize);
  EXPECT_EQ(chunk_length(kChunkSize + 1, 1), 1u);
  EXPECT_EQ(chunk_count(~std::uint64_t{0}), (~std::uint64_t{0} >> 20) + 1);
}

}  // namespace
}  // namespace castool::cas
