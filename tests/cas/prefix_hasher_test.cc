#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "cas/partial.h"
#include "tests/cas/store_fixture.h"

namespace castool::cas {
namespace {

using base::Code;

class PrefixHasherTest : public StoreTest {
 protected:
  const std::string bytes_ = content(6 * kChunkSize + 11);
  const PartialKey key_ = key_of(bytes_);
  std::unique_ptr<Store> store_ = open();
  std::unique_ptr<Partial> partial_ = *store_->open_partial(key_, Preallocate::kNo);

  void append_all(std::uint64_t from, std::uint64_t size, PrefixHasher* hasher) {
    auto writer = *partial_->claim(from, size + kChunkSize, {from, size});
    ASSERT_TRUE(writer);
    while (writer->next_offset() < writer->end_offset()) {
      const auto at = writer->next_offset();
      const auto piece = std::min<std::uint64_t>(100000, writer->end_offset() - at);
      ASSERT_TRUE(writer->append(bytes_of(bytes_).subspan(at, piece)));
      if (hasher != nullptr) hasher->wake();
    }
  }
};

TEST_F(PrefixHasherTest, HashesWhatArrivesInAnyOrder) {
  PrefixHasher hasher(*partial_);
  append_all(3 * kChunkSize, bytes_.size() - 3 * kChunkSize, &hasher);
  append_all(0, 3 * kChunkSize, &hasher);
  const auto digest = hasher.finish({});
  ASSERT_TRUE(digest);
  EXPECT_EQ(*digest, key_.digest);
  EXPECT_EQ(hasher.hashed_bytes(), bytes_.size());
  EXPECT_EQ(*hasher.finish({}), key_.digest);
}

TEST_F(PrefixHasherTest, TheEmptyBlob) {
  const auto empty = *store_->open_partial(key_of(""), Preallocate::kNo);
  PrefixHasher hasher(*empty);
  EXPECT_EQ(*hasher.finish({}), base::Sha256::of(""));
}

TEST_F(PrefixHasherTest, FollowsWhatOtherProcessesBring) {
  const auto other = *store_->open_partial(key_, Preallocate::kNo);
  PrefixHasher hasher(*partial_);
  ASSERT_TRUE(fill(*other, bytes_));
  ASSERT_TRUE(partial_->refresh());
  EXPECT_EQ(*hasher.finish({}), key_.digest);
}

TEST_F(PrefixHasherTest, WaitsForNothingThatNobodyBrings) {
  ASSERT_TRUE(fill(*partial_, bytes_));
  // As after a sync that failed, while somebody waits already or just before.
  ASSERT_TRUE(partial_->invalidate({3 * kChunkSize, 1}));
  PrefixHasher hasher(*partial_);
  const auto digest = hasher.finish({});
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().code, Code::kBusy);
}

TEST_F(PrefixHasherTest, StopsWaitingWhenAsked) {
  PrefixHasher hasher(*partial_);
  std::stop_source stop;
  stop.request_stop();
  const auto digest = hasher.finish(stop.get_token());
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().code, Code::kCancelled);
}

TEST_F(PrefixHasherTest, ChunksReplacedAfterHashingAreHashedAgain) {
  append_all(0, 4 * kChunkSize, nullptr);
  PrefixHasher hasher(*partial_);
  while (hasher.hashed_bytes() < 4 * kChunkSize) std::this_thread::yield();
  // A bad chunk was hashed, found, dropped and refetched.
  ASSERT_TRUE(partial_->invalidate({0, 1}));
  append_all(4 * kChunkSize, bytes_.size() - 4 * kChunkSize, nullptr);
  append_all(0, kChunkSize, nullptr);
  EXPECT_EQ(*hasher.finish({}), key_.digest);
}

TEST_F(PrefixHasherTest, BadBytesThatWereHashedDoNotStickAfterARepair) {
  std::string bad = bytes_;
  bad[5] = static_cast<char>(bad[5] ^ 1);
  auto writer = *partial_->claim(0, kChunkSize, {0, kChunkSize});
  ASSERT_TRUE(writer->append(bytes_of(bad).first(kChunkSize)));
  writer.reset();
  PrefixHasher hasher(*partial_);
  while (hasher.hashed_bytes() < kChunkSize) std::this_thread::yield();
  ASSERT_TRUE(partial_->invalidate({0, 1}));
  ASSERT_TRUE(fill(*partial_, bytes_));
  EXPECT_EQ(*hasher.finish({}), key_.digest);
}

TEST_F(PrefixHasherTest, WakingFromManyThreadsIsFine) {
  PrefixHasher hasher(*partial_);
  std::atomic<bool> filled = false;
  std::vector<std::jthread> wakers;
  for (int i = 0; i < 4; ++i) {
    wakers.emplace_back([&] {
      while (!filled) hasher.wake();
    });
  }
  EXPECT_TRUE(fill(*partial_, bytes_));
  filled = true;
  EXPECT_EQ(*hasher.finish({}), key_.digest);
}

TEST_F(PrefixHasherTest, CutDataIsAnErrorAndNotASignal) {
  ASSERT_TRUE(fill(*partial_, bytes_));
  ASSERT_EQ(::truncate((partial_path(key_) / "data").c_str(), 1000), 0);
  PrefixHasher hasher(*partial_);
  const auto digest = hasher.finish({});
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().code, Code::kIo);
}

}  // namespace
}  // namespace castool::cas
