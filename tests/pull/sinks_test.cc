// StoreSink and CompareSink over a real partial.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pull/compare_sink.h"
#include "pull/store_sink.h"
#include "tests/pull/pull_fixture.h"

namespace castool::pull {
namespace {

using base::ByteRange;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kMiB = 1u << 20;

class Sinks : public PullFixture {
 protected:
  Sinks() {
    const cas::PartialKey key{base::Sha256::of(bytes_), bytes_.size(), "origin"};
    partial_ = store_->open_partial(key, cas::Preallocate::kYes).value();
    progress_ = std::make_shared<FileProgress>("f", "", bytes_.size());
    hasher_ = std::make_shared<cas::PrefixHasher>(*partial_);
  }

  [[nodiscard]] StoreSink sink() const { return StoreSink({partial_, hasher_, progress_, {}}); }
  // The first `size` of the bytes that `writer` wants, changed at offset `wrong`.
  void feed(fetch::RangeWriter& writer, std::uint64_t size, std::int64_t wrong = -1) const {
    const std::uint64_t left = writer.end_offset() - writer.next_offset();
    std::string piece = bytes_.substr(writer.next_offset(), std::min(size, left));
    const auto at = wrong - static_cast<std::int64_t>(writer.next_offset());
    if (at >= 0 && at < static_cast<std::int64_t>(piece.size())) {
      piece[static_cast<std::size_t>(at)] ^= 1;
    }
    ASSERT_TRUE(writer.append(std::as_bytes(std::span(piece))));
  }
  void fill() const {
    StoreSink store = sink();
    while (const auto writer = store.claim(bytes_.size()).value()) feed(*writer, bytes_.size());
    ASSERT_TRUE(store.complete());
  }

  const std::string bytes_ = bytes_of(3 * kMiB + 10, 5);
  std::shared_ptr<cas::Partial> partial_;
  std::shared_ptr<FileProgress> progress_;
  std::shared_ptr<cas::PrefixHasher> hasher_;
};

TEST_F(Sinks, StoreGivesTheLowestMissingChunksFirst) {
  StoreSink store = sink();
  auto first = store.claim(kMiB).value();
  auto second = store.claim(kMiB).value();
  EXPECT_EQ(first->next_offset(), 0u);
  EXPECT_EQ(second->next_offset(), kMiB);
  first.reset();  // given back unfilled
  EXPECT_EQ(store.claim(kMiB).value()->next_offset(), 0u);
}

TEST_F(Sinks, StoreForgetsWhatItIsTold) {
  fill();
  StoreSink store = sink();
  EXPECT_EQ(store.present(), bytes_.size());
  ASSERT_TRUE(store.forget({kMiB + 7, kMiB}));
  EXPECT_FALSE(store.complete());
  EXPECT_EQ(store.present(), bytes_.size() - 2 * kMiB);
  const auto again = store.claim(8 * kMiB).value();
  EXPECT_EQ(again->next_offset(), kMiB);
  EXPECT_EQ(again->end_offset(), 3 * kMiB);
}

TEST_F(Sinks, StoreCountsWholeChunksAsProgressAndEveryByteAsReceived) {
  StoreSink store = sink();
  const auto writer = store.claim(2 * kMiB).value();
  feed(*writer, 1000);
  EXPECT_EQ(progress_->completed(), 0u);
  EXPECT_EQ(progress_->received(), 1000u);
  feed(*writer, kMiB - 1000);
  EXPECT_EQ(progress_->completed(), kMiB);
  EXPECT_FALSE(store.complete());
}

TEST_F(Sinks, StoreLetsTheHasherFollow) {
  fill();
  EXPECT_EQ(progress_->completed(), bytes_.size());
  EXPECT_EQ(hasher_->finish({}).value(), partial_->key().digest);
}

TEST_F(Sinks, CompareFindsTheChunksThatDiffer) {
  fill();
  CompareSink compare(partial_);
  EXPECT_EQ(compare.size(), bytes_.size());
  while (const auto writer = compare.claim(kMiB).value()) {
    while (writer->next_offset() < writer->end_offset()) {
      feed(*writer, 300'000, 3 * kMiB + 9);
    }
  }
  EXPECT_TRUE(compare.complete());
  EXPECT_THAT(compare.differing(), ElementsAre(ByteRange{3 * kMiB, 10}));
}

TEST_F(Sinks, CompareLeavesTheSecondCopyWhereTheyDiffer) {
  StoreSink store = sink();
  while (const auto writer = store.claim(kMiB).value()) {
    feed(*writer, kMiB, kMiB + 5);
  }
  ASSERT_TRUE(store.complete());
  CompareSink compare(partial_);
  while (const auto writer = compare.claim(100 * kMiB).value()) {
    while (writer->next_offset() < writer->end_offset()) feed(*writer, 300'000);
  }
  EXPECT_THAT(compare.differing(), ElementsAre(ByteRange{kMiB, kMiB}));
  EXPECT_TRUE(partial_->complete());
  EXPECT_EQ(partial_->generation(), 1u);
  EXPECT_EQ(cas::PrefixHasher(*partial_).finish({}).value(), partial_->key().digest);
}

TEST_F(Sinks, CompareFindsNothingInTheSameBytes) {
  fill();
  CompareSink compare(partial_);
  while (const auto writer = compare.claim(bytes_.size()).value()) feed(*writer, bytes_.size());
  EXPECT_TRUE(compare.complete());
  EXPECT_THAT(compare.differing(), IsEmpty());
}

TEST_F(Sinks, CompareAsksAgainForWhatWasGivenBack) {
  fill();
  CompareSink compare(partial_);
  auto writer = compare.claim(2 * kMiB).value();
  auto other = compare.claim(100 * kMiB).value();
  EXPECT_EQ(other->next_offset(), 2 * kMiB);
  EXPECT_EQ(compare.claim(kMiB).value(), nullptr);
  EXPECT_FALSE(compare.complete());
  feed(*writer, kMiB + 5);
  writer.reset();  // one chunk compared, one begun
  writer = compare.claim(100 * kMiB).value();
  ASSERT_NE(writer, nullptr);
  EXPECT_EQ(writer->next_offset(), kMiB);
  EXPECT_EQ(writer->end_offset(), 2 * kMiB);
}

TEST_F(Sinks, CompareRefusesBytesPastTheEnd) {
  fill();
  CompareSink compare(partial_);
  const auto writer = compare.claim(kMiB).value();
  const std::string much = bytes_.substr(0, kMiB + 1);
  EXPECT_FALSE(writer->append(std::as_bytes(std::span(much))));
}

}  // namespace
}  // namespace castool::pull
