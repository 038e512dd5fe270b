#include "cas/partial.h"

#include <array>
#include <atomic>
#include <thread>

#include "tests/cas/partial_fixture.h"

namespace castool::cas {
namespace {

TEST_F(PartialTest, TheEmptyBlobIsCompleteAtOnce) {
  auto store = open();
  const PartialKey key = key_of("");
  auto partial = store->open_partial(key, Preallocate::kYes);
  ASSERT_TRUE(partial) << partial.error().text();
  EXPECT_EQ((*partial)->chunk_count(), 0u);
  EXPECT_TRUE((*partial)->complete());
  EXPECT_FALSE(*(*partial)->claim(0, 1, {0, 0}));
  ASSERT_TRUE((*partial)->publish(key.digest));
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialTest, ClaimsAreDisjointAndInsideTheWindow) {
  auto store = open();
  auto partial = open_partial(*store);
  auto first = *partial->claim(0, 2 * kChunkSize, all_);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->next_offset(), 0u);
  EXPECT_EQ(first->end_offset(), 2 * kChunkSize);
  auto small = *partial->claim(0, 1, {3 * kChunkSize + 5, 10});
  ASSERT_TRUE(small);
  EXPECT_EQ(small->next_offset(), 3 * kChunkSize);
  EXPECT_EQ(small->end_offset(), 4 * kChunkSize);
  auto between = *partial->claim(0, bytes_.size(), all_);
  EXPECT_EQ(between->next_offset(), 2 * kChunkSize);
  EXPECT_EQ(between->end_offset(), 3 * kChunkSize);
  auto tail = *partial->claim(0, bytes_.size(), all_);
  EXPECT_EQ(tail->next_offset(), 4 * kChunkSize);
  EXPECT_EQ(tail->end_offset(), bytes_.size());
  EXPECT_FALSE(*partial->claim(0, bytes_.size(), all_));
  first.reset();
  EXPECT_EQ((*partial->claim(kChunkSize, kChunkSize, all_))->next_offset(), kChunkSize);
}

TEST_F(PartialTest, ASecondOpenSeesClaimsAndChunksOfTheFirst) {
  auto store = open();
  auto one = open_partial(*store);
  auto two = open_partial(*store);
  auto writer = *one->claim(0, 2 * kChunkSize, all_);
  ASSERT_TRUE(append_chunk(*writer));
  auto other = *two->claim(0, 2 * kChunkSize, all_);
  // Chunk 0 is there, chunk 1 is claimed.
  EXPECT_EQ(other->next_offset(), 2 * kChunkSize);
  EXPECT_EQ(*two->refresh(), kChunkSize);
  EXPECT_EQ(two->contiguous_prefix(), kChunkSize);
  EXPECT_TRUE(two->present({0, kChunkSize}));
  writer.reset();
  EXPECT_EQ((*two->claim(0, kChunkSize, all_))->next_offset(), kChunkSize);
}

TEST_F(PartialTest, AChunkThatSomebodyWaitsForIsGivenBack) {
  auto store = open();
  auto partial = open_partial(*store);
  auto second = open_partial(*store);  // as another process has it
  for (Partial* waiter : {partial.get(), second.get()}) {
    auto writer = partial->claim(0, 6 * kChunkSize, all_).value();
    ASSERT_EQ(writer->end_offset(), key_.size);
    const base::ByteRange wanted{3 * kChunkSize + 5, 10};
    waiter->want(wanted);
    EXPECT_EQ(waiter->claim(wanted.offset, kChunkSize, wanted).value(), nullptr);
    ASSERT_TRUE(writer->append(bytes_of(bytes_).first(100)));
    EXPECT_EQ(writer->end_offset(), 3 * kChunkSize);
    const auto claimed = waiter->claim(wanted.offset, kChunkSize, wanted).value();
    ASSERT_NE(claimed, nullptr);
    EXPECT_EQ(claimed->next_offset(), 3 * kChunkSize);
    waiter->unwant(wanted);
  }
  // Nobody waits any more: nothing is given back.
  auto writer = partial->claim(0, 6 * kChunkSize, all_).value();
  ASSERT_TRUE(writer->append(bytes_of(bytes_).first(100)));
  EXPECT_EQ(writer->end_offset(), key_.size);
}

TEST_F(PartialTest, TheNextChunkIsKeptAlthoughSomebodyWaitsForIt) {
  auto store = open();
  auto partial = open_partial(*store);
  auto writer = partial->claim(0, 6 * kChunkSize, all_).value();
  partial->want({kChunkSize, 1});
  ASSERT_TRUE(writer->append(bytes_of(bytes_).first(100)));
  EXPECT_EQ(writer->end_offset(), key_.size);
  ASSERT_TRUE(writer->append(bytes_of(bytes_).subspan(100, kChunkSize)));
  partial->want({4 * kChunkSize, 1});
  ASSERT_TRUE(writer->append(bytes_of(bytes_).subspan(kChunkSize + 100, 100)));
  EXPECT_EQ(writer->end_offset(), 4 * kChunkSize);
  while (writer->next_offset() < writer->end_offset()) ASSERT_TRUE(append_chunk(*writer));
  EXPECT_TRUE(partial->present({0, 4 * kChunkSize}));
  EXPECT_FALSE(partial->present({4 * kChunkSize, 1}));
}

TEST_F(PartialTest, AReaderWhoFollowsATransferDoesNotCutItOff) {
  auto store = open();
  auto partial = open_partial(*store);
  auto other = open_partial(*store);  // as in another process
  auto writer = partial->claim(0, 6 * kChunkSize, all_).value();
  other->want({0, kChunkSize + 1});
  partial->want({2 * kChunkSize, kChunkSize + 1});
  ASSERT_TRUE(writer->append(bytes_of(bytes_).first(100)));
  EXPECT_EQ(writer->end_offset(), key_.size);
  // One chunk between that nobody waits for: what lies behind it is given back.
  partial->want({5 * kChunkSize, 1});
  other->unwant({0, kChunkSize + 1});
  other->want({0, 4 * kChunkSize});
  ASSERT_TRUE(writer->append(bytes_of(bytes_).subspan(100, 100)));
  EXPECT_EQ(writer->end_offset(), 5 * kChunkSize);
}

TEST_F(PartialTest, DroppingAWriterKeepsFullChunksOnly) {
  auto store = open();
  auto partial = open_partial(*store);
  {
    auto writer = *partial->claim(0, 3 * kChunkSize, all_);
    ASSERT_TRUE(append_chunk(*writer));
    ASSERT_TRUE(writer->append(bytes_of(bytes_).subspan(kChunkSize, 1000)));
  }
  EXPECT_EQ(partial->bytes_present(), kChunkSize);
  EXPECT_EQ((*partial->claim(0, kChunkSize, all_))->next_offset(), kChunkSize);
}

TEST_F(PartialTest, AppendsAcrossChunksInOddPieces) {
  auto store = open();
  auto partial = open_partial(*store);
  auto writer = *partial->claim(0, 6 * kChunkSize, all_);
  for (std::size_t step = 1; writer->next_offset() < writer->end_offset(); step = step * 3 + 1) {
    const auto at = writer->next_offset();
    const auto size = std::min<std::uint64_t>(step, writer->end_offset() - at);
    ASSERT_TRUE(writer->append(bytes_of(bytes_).subspan(at, size)));
  }
  EXPECT_FALSE(writer->append(bytes_of("x")));
  writer.reset();
  EXPECT_TRUE(partial->recheck()->empty());
  ASSERT_TRUE(partial->publish(key_.digest));
  EXPECT_EQ(check_blobs(), 1u);
}

// Two opens are as two processes: their locks meet. A chunk has one writer over all of them.
TEST_F(PartialTest, ClaimsOfManyThreadsNeverMeet) {
  auto store = open();
  const std::array opens = {open_partial(*store), open_partial(*store)};
  std::array<std::atomic<int>, 6> owners{};
  std::atomic<int> met = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] {
        for (int round = 0; round < 3000; ++round) {
          const auto writer = opens[i % 2]->claim(0, kChunkSize, {0, 2 * kChunkSize});
          if (!writer || !*writer) continue;
          auto& owner = owners[(*writer)->next_offset() / kChunkSize];
          if (owner.fetch_add(1) != 0) ++met;
          std::this_thread::yield();
          owner.fetch_sub(1);
        }
      });
    }
  }
  EXPECT_EQ(met, 0);
}

TEST_F(PartialTest, OneLeaderAtATime) {
  auto store = open();
  auto one = open_partial(*store);
  auto two = open_partial(*store);
  auto lead = one->try_lead().value();
  ASSERT_TRUE(lead);
  EXPECT_FALSE(two->try_lead().value());
  EXPECT_FALSE(one->try_lead().value());
  lead.reset();
  EXPECT_TRUE(two->try_lead().value());
}

TEST_F(PartialTest, ListShowsProgressAndWhoHasItOpen) {
  auto store = open();
  EXPECT_TRUE(list_partials(*store)->empty());
  auto partial = open_partial(*store);
  ASSERT_TRUE(append_chunk(**partial->claim(0, kChunkSize, all_)));
  auto reader = open(Access::kRead);
  auto list = *list_partials(*reader);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].digest, key_.digest);
  EXPECT_EQ(list[0].origin, key_.origin);
  EXPECT_EQ(list[0].size, bytes_.size());
  EXPECT_EQ(list[0].present, kChunkSize);
  EXPECT_THAT(list[0].pids, ::testing::ElementsAre(::getpid()));
  partial.reset();
  EXPECT_TRUE((*list_partials(*reader))[0].pids.empty());
}

}  // namespace
}  // namespace castool::cas
