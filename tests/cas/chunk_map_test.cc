#include "cas/chunk_map.h"

#include <gtest/gtest.h>

#include "cas/partial.h"

namespace castool::cas {
namespace {

constexpr std::uint64_t kSize = 4 * kChunkSize + 100;
constexpr ChunkRecord kHere{1, 0, ChunkState::kPresent};

TEST(ChunkMap, CountsWhatIsPresent) {
  ChunkMap map(kSize);
  EXPECT_EQ(map.count(), 5u);
  EXPECT_FALSE(map.complete());
  map.merge(4, kHere);
  EXPECT_EQ(map.bytes_present(), 100u);
  EXPECT_EQ(map.prefix_bytes(), 0u);
  map.merge(0, kHere);
  map.merge(1, kHere);
  EXPECT_EQ(map.prefix_bytes(), 2 * kChunkSize);
  map.merge(3, kHere);
  map.merge(2, kHere);
  EXPECT_EQ(map.prefix_bytes(), kSize);
  EXPECT_EQ(map.bytes_present(), kSize);
  EXPECT_TRUE(map.complete());
}

TEST(ChunkMap, AnEmptyBlobIsComplete) {
  const ChunkMap map(0);
  EXPECT_TRUE(map.complete());
  EXPECT_TRUE(map.present({0, 0}));
  EXPECT_FALSE(map.next_free(0, 10, 10));
}

TEST(ChunkMap, DroppingMovesTheFrontBackAndTheGenerationOn) {
  ChunkMap map(kSize);
  for (std::uint64_t i = 0; i < 5; ++i) map.merge(i, kHere);
  map.merge(1, dropped(kHere));
  EXPECT_EQ(map.prefix_bytes(), kChunkSize);
  EXPECT_EQ(map.generation(), 1u);
  EXPECT_FALSE(map.complete());
  map.merge(1, kHere);  // seen late: must not bring it back
  EXPECT_FALSE(map.complete());
  map.merge(1, {2, 1, ChunkState::kPresent});
  EXPECT_EQ(map.prefix_bytes(), kSize);
  EXPECT_EQ(map.generation(), 1u);
}

TEST(ChunkMap, PresentLooksAtEveryChunkTouched) {
  ChunkMap map(kSize);
  map.merge(1, kHere);
  EXPECT_TRUE(map.present({kChunkSize, kChunkSize}));
  EXPECT_TRUE(map.present({kChunkSize + 5, 1}));
  EXPECT_FALSE(map.present({kChunkSize - 1, 2}));
  EXPECT_FALSE(map.present({2 * kChunkSize - 1, 2}));
  EXPECT_FALSE(map.present({kSize, 1}));
}

TEST(ChunkMap, FindsTheFirstFreeRun) {
  ChunkMap map(kSize);
  map.merge(0, kHere);
  ASSERT_TRUE(map.hold({2, 1}));
  EXPECT_EQ(map.next_free(0, 5, 9), (ChunkRun{1, 1}));
  EXPECT_EQ(map.next_free(2, 5, 9), (ChunkRun{3, 2}));
  EXPECT_EQ(map.next_free(2, 5, 1), (ChunkRun{3, 1}));
  EXPECT_EQ(map.next_free(2, 3, 9), std::nullopt);
  map.release({2, 1});
  EXPECT_EQ(map.next_free(0, 5, 9), (ChunkRun{1, 4}));
}

TEST(ChunkMap, HoldsAreExclusive) {
  ChunkMap map(kSize);
  EXPECT_TRUE(map.hold({1, 2}));
  EXPECT_FALSE(map.hold({0, 2}));
  EXPECT_TRUE(map.hold({0, 1}));
  EXPECT_EQ(map.held(), 3u);
}

TEST(ChunkMap, RangesBecomeChunks) {
  const ChunkMap map(kSize);
  EXPECT_EQ(map.touched_by({0, 1}), (ChunkRun{0, 1}));
  EXPECT_EQ(map.touched_by({kChunkSize - 1, 2}), (ChunkRun{0, 2}));
  EXPECT_EQ(map.touched_by({0, kSize}), (ChunkRun{0, 5}));
  EXPECT_EQ(map.touched_by({4 * kChunkSize, 1 << 30}), (ChunkRun{4, 1}));
  EXPECT_EQ(map.touched_by({kSize, 10}).count, 0u);
  EXPECT_EQ(map.touched_by({~std::uint64_t{0} - 5, 5}).count, 0u);
}

}  // namespace
}  // namespace castool::cas
