// Reading what is not there yet while the disk fails.
#include <cerrno>

#include <gtest/gtest.h>

#include "tests/pull/lazy_blobs_fixture.h"
#include "tests/support/fault_file_ops.h"

namespace castool::pull {
namespace {

class LazyBlobsOnABadDisk : public LazyBlobsTest {
 protected:
  LazyBlobsOnABadDisk() {
    pull_lazily();
    bad_store_ =
        cas::Store::open(root_ + "/store", cas::Access::kWrite, disk_, clock_, *log_).value();
    start_over(*bad_store_, kReadOnly);
  }
  ~LazyBlobsOnABadDisk() override { blobs_.reset(); }

  castool::testing::FaultFileOps disk_{files_};
  std::unique_ptr<cas::Store> bad_store_;
};

TEST_F(LazyBlobsOnABadDisk, AFullDiskFailsThatReadAndNoLaterOne) {
  const auto reader = open(weights_);
  disk_.set_fault({1, ENOSPC, castool::testing::Repeat::kSticky, castool::testing::FileOp::kWrite});
  EXPECT_EQ(get(want(reader->blob(), {0, 1})).error().code, Code::kNoSpace);
  disk_.set_fault({});
  ASSERT_TRUE(get(want(reader->blob(), {0, 1})));
  EXPECT_EQ(read(reader->blob(), {0, kMiB}), weights_.substr(0, kMiB));
}

class LazyBlobsAfterAFailedSync : public LazyBlobsOnABadDisk,
                                  public ::testing::WithParamInterface<int> {};

TEST_P(LazyBlobsAfterAFailedSync, WhatWasLostIsFetchedAgain) {
  const auto reader = open(weights_);
  disk_.set_fault(
      {1, GetParam(), castool::testing::Repeat::kOnce, castool::testing::FileOp::kSync});
  ASSERT_TRUE(get(want(reader->blob(), {0, 1})));
  ASSERT_TRUE(soon([&] { return disk_.fired(); }));
  // A read may meet the failure; then the descriptor that it has goes on.
  EXPECT_TRUE(soon([&] { return get(want(reader->blob(), {0, weights_.size()})).has_value(); }));
  EXPECT_EQ(read(reader->blob(), {0, weights_.size()}), weights_);
  EXPECT_TRUE(soon([&] { return record("acme/model")->state == manifest::RefState::kComplete; }));
  EXPECT_TRUE(get(settled(reader->blob())));
}

// Full disks are told by a sync where writing allocates late.
INSTANTIATE_TEST_SUITE_P(Disk, LazyBlobsAfterAFailedSync, ::testing::Values(EIO, ENOSPC, EDQUOT));

}  // namespace
}  // namespace castool::pull
