// What is on disk while a partial grows, and what is believed when the disk says that it is not.
#include <cerrno>
#include <thread>

#include "tests/cas/partial_fixture.h"
#include "tests/support/fault_file_ops.h"

namespace castool::cas {
namespace {

using base::Code;
using testing::FaultFileOps;
using testing::FileOp;
using testing::Repeat;

class PartialSyncTest : public PartialTest {
 protected:
  // The 5 s between two syncs are 50 ms.
  PartialSyncTest() {
    auto store = Store::open(root().string(), Access::kWrite, faults_, fast_, *log_);
    EXPECT_TRUE(store);
    store_ = *std::move(store);
    partial_ = open_partial(*store_);
    (void)faults_.take_calls();
  }

  void add_chunk(std::uint64_t chunk) {
    const auto writer = partial_->claim(chunk * kChunkSize, 1, {chunk * kChunkSize, 1});
    ASSERT_TRUE(writer && *writer);
    ASSERT_EQ((*writer)->next_offset(), chunk * kChunkSize);
    ASSERT_TRUE(append_chunk(**writer));
  }
  // Waits until `done`, which looks at what another thread does.
  template <class Done>
  void wait_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  // The syncs since the last call, once there are `count`.
  std::vector<std::string> next_syncs(std::size_t count) {
    std::vector<std::string> syncs;
    wait_until([&] {
      for (const std::string& call : faults_.take_calls()) {
        if (call.starts_with("sync ")) syncs.push_back(call);
      }
      return syncs.size() >= count;
    });
    return syncs;
  }
  // From now on until it has struck, the sync of the next file fails.
  void fail_next_sync() { faults_.set_fault({1, EIO, Repeat::kOnce, FileOp::kSync}); }
  void wait_for_the_failure() {
    wait_until([&] { return faults_.fired() && !partial_->claim(0, 1, all_); });
  }
  // What the next process finds.
  std::uint64_t left_behind() {
    partial_.reset();
    return open_partial(*store_)->bytes_present();
  }

  FaultFileOps faults_{files_};
  base::SystemClock fast_{0.01};
  std::unique_ptr<Store> store_;
  std::unique_ptr<Partial> partial_;
};

TEST_F(PartialSyncTest, DataGoesBeforeTheTableAndTheNamesOnce) {
  add_chunk(0);
  EXPECT_THAT(next_syncs(4),
              ::testing::ElementsAre("sync data", "sync table",
                                     "sync " + partial_path(key_).filename().string(),
                                     "sync directory partials"));
  add_chunk(1);
  EXPECT_THAT(next_syncs(2), ::testing::ElementsAre("sync data", "sync table"));
}

TEST_F(PartialSyncTest, AFailedSyncDropsWhatNoEarlierOneCovered) {
  add_chunk(0);
  (void)next_syncs(4);
  fail_next_sync();
  add_chunk(1);
  wait_for_the_failure();
  EXPECT_EQ(partial_->claim(0, 1, all_).error().code, Code::kIo);
  EXPECT_FALSE(partial_->publish(key_.digest));
  EXPECT_EQ(left_behind(), kChunkSize);
}

TEST_F(PartialSyncTest, AChunkThatCameDuringASyncIsNotCoveredByIt) {
  std::atomic<bool> added = false;
  faults_.on_sync([&](const std::string& file) {
    if (file == "data" && !added.exchange(true)) add_chunk(1);
  });
  add_chunk(0);
  (void)next_syncs(4);
  fail_next_sync();
  wait_for_the_failure();
  EXPECT_EQ(left_behind(), kChunkSize);
}

TEST_F(PartialSyncTest, AChunkThatIsReplacedDuringASyncIsNotCoveredByIt) {
  std::atomic<bool> replaced = false;
  faults_.on_sync([&](const std::string& file) {
    if (file != "table" || replaced.exchange(true)) return;
    ASSERT_TRUE(partial_->invalidate({0, 1}));
    add_chunk(0);
  });
  add_chunk(0);
  (void)next_syncs(4);
  fail_next_sync();
  wait_for_the_failure();
  EXPECT_EQ(left_behind(), 0u);
}

TEST_F(PartialSyncTest, AChunkThatWasReplacedIsNotCoveredAnyMore) {
  add_chunk(0);
  (void)next_syncs(4);
  ASSERT_TRUE(partial_->invalidate({0, 1}));
  fail_next_sync();
  add_chunk(0);
  wait_for_the_failure();
  EXPECT_EQ(left_behind(), 0u);
}

TEST_F(PartialSyncTest, WhatAWriterHeldWhenTheSyncFailedIsNotLeftBehind) {
  auto writer = *partial_->claim(0, 2 * kChunkSize, all_);
  ASSERT_TRUE(append_chunk(*writer));
  ASSERT_TRUE(writer->append(bytes_of(bytes_).subspan(kChunkSize, 1000)));
  fail_next_sync();
  wait_for_the_failure();
  // Bytes from before the failure are in this chunk.
  EXPECT_FALSE(writer->append(bytes_of(bytes_).subspan(kChunkSize + 1000, kChunkSize - 1000)));
  writer.reset();
  EXPECT_EQ(left_behind(), 0u);
}

TEST_F(PartialSyncTest, WhatIsWrittenWhileASyncFailsIsNotRecorded) {
  bool failed = false;
  faults_.on_write([&](std::size_t size) {
    if (size != kChunkSize || failed) return;
    failed = true;
    wait_for_the_failure();
  });
  auto writer = *partial_->claim(0, kChunkSize, all_);
  ASSERT_TRUE(writer->append(bytes_of(bytes_).first(1000)));
  auto other = *partial_->claim(0, kChunkSize, all_);
  fail_next_sync();
  EXPECT_FALSE(append_chunk(*other));
  EXPECT_TRUE(failed);
  EXPECT_EQ(partial_->bytes_present(), 0u);
}

TEST_F(PartialSyncTest, ClosingIsCleanOnlyAfterASync) {
  const auto state = [&] {
    const std::string table = slurp(partial_path(key_) / "table");
    return decode_epoch(bytes_of(table).subspan(kEpochOffset, kEpochSize))->state;
  };
  // By real time, so that only closing syncs.
  const auto store = *try_open(faults_);
  partial_ = open_partial(*store);
  add_chunk(0);
  EXPECT_EQ(state(), EpochState::kDirty);
  (void)faults_.take_calls();
  partial_.reset();
  EXPECT_THAT(faults_.take_calls(), ::testing::IsSupersetOf({"sync data", "sync table"}));
  EXPECT_EQ(state(), EpochState::kClean);

  partial_ = open_partial(*store);
  ASSERT_TRUE(partial_->invalidate({0, 1}));  // nothing is there to be synced at once
  partial_ = open_partial(*store);
  add_chunk(0);
  EXPECT_EQ(state(), EpochState::kDirty);
  fail_next_sync();
  partial_.reset();
  EXPECT_TRUE(faults_.fired());
  EXPECT_EQ(state(), EpochState::kDirty);
}

TEST_F(PartialSyncTest, NothingIsSyncedAgainAfterAFailure) {
  fail_next_sync();
  add_chunk(0);
  wait_for_the_failure();
  (void)faults_.take_calls();
  partial_.reset();
  for (const std::string& call : faults_.take_calls()) EXPECT_FALSE(call.starts_with("sync"));
}

TEST_F(PartialSyncTest, AFullDiskIsToldInBytes) {
  faults_.set_fault({1, ENOSPC, Repeat::kSticky, FileOp::kAllocate});
  const std::string bytes = content(3 * kChunkSize, 4);
  const auto refused = store_->open_partial(key_of(bytes), Preallocate::kYes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kNoSpace);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("3145728 more bytes are needed"));
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("are free at " + root().string()));
  EXPECT_EQ(entries("tmp"), 0u);

  // A lazy one that a full pull takes over.
  auto full = open_partial(*store_, Preallocate::kYes);
  const auto claimed = full->claim(0, 1, all_);
  ASSERT_FALSE(claimed);
  EXPECT_THAT(claimed.error().message, ::testing::HasSubstr(std::to_string(bytes_.size())));

  // Where nothing could be reserved: no room for a piece of a chunk, at last none for its record.
  for (std::uint64_t nth = 1; nth <= 9; ++nth) {
    auto sparse = open_partial(*store_, Preallocate::kNo);
    faults_.set_fault({nth, ENOSPC, Repeat::kSticky, FileOp::kWrite});
    const auto filled = fill(*sparse, bytes_, kChunkSize);
    ASSERT_FALSE(filled);
    EXPECT_THAT(filled.error().message, ::testing::HasSubstr("more bytes are needed and")) << nth;
    faults_.set_fault({0, 0, Repeat::kOnce, FileOp::kAny});
  }
  faults_.set_fault({0, 0, Repeat::kOnce, FileOp::kAny});
  ASSERT_TRUE(fill(*full, bytes_));

  faults_.set_fault({1, ENOSPC, Repeat::kSticky, FileOp::kWrite});
  auto ingest = store_->begin_ingest();
  ASSERT_TRUE(ingest);
  const auto written = ingest->append(bytes_of("abc"));
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, ::testing::HasSubstr("3 more bytes are needed"));
}

}  // namespace
}  // namespace castool::cas
