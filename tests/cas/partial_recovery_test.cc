// What is left after kills, reboots, damage and disks that fail.
#include "tests/cas/partial_fixture.h"
#include "tests/support/fault_file_ops.h"

namespace castool::cas {
namespace {

namespace fs = std::filesystem;
using base::Code;
using testing::FaultFileOps;
using testing::FileOp;
using testing::Repeat;

using PartialRecoveryTest = PartialTest;

TEST_F(PartialRecoveryTest, ResumesAfterClosing) {
  auto store = open();
  {
    auto partial = open_partial(*store);
    auto writer = *partial->claim(kChunkSize, 2 * kChunkSize, all_);
    ASSERT_TRUE(append_chunk(*writer));
    ASSERT_TRUE(append_chunk(*writer));
  }
  auto partial = open_partial(*store, Preallocate::kYes);
  EXPECT_EQ(partial->bytes_present(), 2 * kChunkSize);
  EXPECT_EQ(partial->contiguous_prefix(), 0u);
  ASSERT_TRUE(fill(*partial, bytes_));
  ASSERT_TRUE(partial->publish(key_.digest));
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialRecoveryTest, AfterAnotherBootOnlyChunksThatMatchArePresent) {
  auto store = open();
  {
    auto partial = open_partial(*store);
    ASSERT_TRUE(fill(*partial, bytes_));
  }
  scribble("data", 2 * kChunkSize + 17, "lost");
  pretend_another_boot(EpochState::kDirty);
  auto partial = open_partial(*store);
  EXPECT_EQ(partial->bytes_present(), bytes_.size() - kChunkSize);
  EXPECT_FALSE(partial->present({2 * kChunkSize, 1}));
  ASSERT_TRUE(fill(*partial, bytes_));
  ASSERT_TRUE(partial->publish(key_.digest));
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialRecoveryTest, AfterACleanStopNothingIsReadAgain) {
  auto store = open();
  {
    auto partial = open_partial(*store);
    ASSERT_TRUE(fill(*partial, bytes_));
  }
  scribble("data", 0, "x");
  pretend_another_boot(EpochState::kClean);
  EXPECT_TRUE(open_partial(*store)->complete());
}

TEST_F(PartialRecoveryTest, ClosingMarksTheTableCleanOnlyWhenNobodyElseHasIt) {
  auto store = open();
  const auto state = [&] {
    const std::string table = slurp(partial_path(key_) / "table");
    return decode_epoch(bytes_of(table).subspan(kEpochOffset, kEpochSize))->state;
  };
  auto one = open_partial(*store);
  auto two = open_partial(*store);
  ASSERT_TRUE(append_chunk(**one->claim(0, kChunkSize, all_)));
  ASSERT_TRUE(append_chunk(**two->claim(0, kChunkSize, all_)));
  one.reset();
  EXPECT_EQ(state(), EpochState::kDirty);
  two.reset();
  EXPECT_EQ(state(), EpochState::kClean);
}

TEST_F(PartialRecoveryTest, ACutDataFileLosesWhatWasCut) {
  auto store = open();
  {
    auto partial = open_partial(*store);
    ASSERT_TRUE(fill(*partial, bytes_));
  }
  fs::resize_file(partial_path(key_) / "data", 2 * kChunkSize + 10);
  auto partial = open_partial(*store);
  EXPECT_EQ(partial->bytes_present(), 2 * kChunkSize);
  ASSERT_TRUE(fill(*partial, bytes_));
  ASSERT_TRUE(partial->publish(key_.digest));
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialRecoveryTest, ATableCutAnywhereNeverShowsAWrongChunk) {
  auto store = open();
  for (const std::uint64_t size :
       {0u, 1u, 4095u, 4096u, 4100u, 8191u, 8192u, 8200u, 8208u, 8250u}) {
    {
      auto partial = open_partial(*store);
      ASSERT_TRUE(fill(*partial, bytes_));
    }
    fs::resize_file(partial_path(key_) / "table", size);
    auto partial = open_partial(*store);
    EXPECT_EQ(partial->bytes_present(), size < 8208 ? 0 : (size - 8192) / 16 * kChunkSize) << size;
    EXPECT_TRUE(partial->recheck()->empty());
    ASSERT_TRUE(fill(*partial, bytes_));
    EXPECT_TRUE(partial->complete());
  }
}

TEST_F(PartialRecoveryTest, ATableWithAnyByteFlippedNeverShowsAWrongChunk) {
  auto store = open();
  {
    auto partial = open_partial(*store);
    ASSERT_TRUE(append_chunk(**partial->claim(0, kChunkSize, all_)));
    ASSERT_TRUE(append_chunk(**partial->claim(2 * kChunkSize, kChunkSize, all_)));
  }
  std::string table = slurp(partial_path(key_) / "table");
  table.resize(kRecordsOffset +
               6 * kRecordSize);  // up to the last record written so far, until now
  const auto try_flip = [&](std::size_t at) {
    std::string bad = table;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    // Through the open file: the partial may have been made anew after a damaged header.
    spill(partial_path(key_) / "table", bad);
    auto partial = open_partial(*store);
    EXPECT_FALSE(partial->present({kChunkSize, 1})) << at;
    EXPECT_LE(partial->bytes_present(), 2 * kChunkSize) << at;
    EXPECT_TRUE(partial->recheck()->empty()) << at;
    return partial->bytes_present();
  };
  for (std::size_t at = 8192; at < 8192 + 6 * 16; ++at) {
    const bool record_of_present = at < 8208 || (at >= 8224 && at < 8240);
    EXPECT_EQ(try_flip(at), record_of_present ? kChunkSize : 2 * kChunkSize) << at;
  }
  for (const std::size_t at : {0u, 9u, 13u, 20u, 30u, 57u, 62u, 4000u, 4090u}) {
    EXPECT_EQ(try_flip(at), 0u) << at;
  }
}

TEST_F(PartialRecoveryTest, RecheckDropsDamageAndInvalidateDropsWhatItIsTold) {
  auto store = open();
  auto partial = open_partial(*store);
  ASSERT_TRUE(fill(*partial, bytes_));
  scribble("data", 5 * kChunkSize + 1, "x");
  const auto bad = partial->recheck();
  ASSERT_TRUE(bad);
  EXPECT_THAT(*bad, ::testing::ElementsAre(base::ByteRange{5 * kChunkSize, 321}));
  EXPECT_EQ(partial->generation(), 1u);
  ASSERT_TRUE(partial->invalidate({kChunkSize - 1, 2}));
  EXPECT_EQ(partial->bytes_present(), 3 * kChunkSize);
  EXPECT_EQ(partial->generation(), 3u);
  auto other = open_partial(*store);
  EXPECT_EQ(other->bytes_present(), 3 * kChunkSize);
  ASSERT_TRUE(fill(*other, bytes_));
  EXPECT_TRUE(other->publish(key_.digest));
}

TEST_F(PartialRecoveryTest, WhoCannotOpenTheTableAgainIsToldSo) {
  FaultFileOps faults(files_);
  auto opened = try_open(faults);
  ASSERT_TRUE(opened);
  auto partial = open_partial(**opened);
  faults.set_fault({1, EMFILE, Repeat::kOnce, FileOp::kOpen});
  const auto lead = partial->try_lead();
  ASSERT_FALSE(lead) << "not that another process leads";
  EXPECT_EQ(lead.error().sys_errno, EMFILE);
  EXPECT_TRUE(partial->try_lead().value());
}

TEST_F(PartialRecoveryTest, RecheckLeavesAloneWhatAnotherProcessReplacedMeanwhile) {
  auto store = open();
  auto one = open_partial(*store);
  ASSERT_TRUE(fill(*one, bytes_));
  auto two = open_partial(*store);
  ASSERT_TRUE(two->invalidate({0, 1}));
  ASSERT_TRUE(fill(*two, content(bytes_.size(), 99)));
  // What `one` knows of the chunk is older than the bytes on disk.
  EXPECT_THAT(*one->recheck(), ::testing::IsEmpty());
  EXPECT_TRUE(one->complete());
  EXPECT_EQ(*two->refresh(), bytes_.size());
}

TEST_F(PartialRecoveryTest, AWrongSizeOfAnEarlierPullDoesNotStayInTheWay) {
  auto store = open();
  PartialKey wrong = key_;
  wrong.size += 5 * kChunkSize;
  ASSERT_TRUE(store->open_partial(wrong, Preallocate::kNo));
  auto partial = open_partial(*store);
  ASSERT_TRUE(fill(*partial, bytes_));
  EXPECT_TRUE(partial->publish(key_.digest));
}

TEST_F(PartialRecoveryTest, HalfRemovedPartialsAreMadeAnew) {
  auto store = open();
  for (const std::string missing : {"data", "table", "both"}) {
    {
      auto partial = open_partial(*store);
      ASSERT_TRUE(fill(*partial, bytes_));
    }
    for (const std::string file : {"data", "table"}) {
      if (missing == file || missing == "both") fs::remove(partial_path(key_) / file);
    }
    EXPECT_EQ(open_partial(*store)->bytes_present(), 0u) << missing;
  }
}

TEST_F(PartialRecoveryTest, AFailedSyncDropsWhatWasNotSyncedAndIsRemembered) {
  FaultFileOps faults(files_);
  auto opened = try_open(faults);
  ASSERT_TRUE(opened);
  {
    auto partial = open_partial(**opened);
    ASSERT_TRUE(fill(*partial, bytes_));
    faults.set_fault({1, EIO, Repeat::kOnce, FileOp::kSync});
    const auto published = partial->publish(key_.digest);
    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().code, Code::kIo);
    EXPECT_EQ(partial->bytes_present(), 0u);
    // Never synced again as if it were good.
    EXPECT_FALSE(partial->publish(key_.digest));
    EXPECT_FALSE(partial->claim(0, kChunkSize, all_));
    EXPECT_EQ(check_blobs(), 0u);
  }
  auto partial = open_partial(**opened);
  EXPECT_EQ(partial->bytes_present(), 0u);
  ASSERT_TRUE(fill(*partial, bytes_));
  EXPECT_TRUE(partial->publish(key_.digest));
  EXPECT_EQ(check_blobs(), 1u);
}

}  // namespace
}  // namespace castool::cas
