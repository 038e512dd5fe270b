// Reading what is not there yet while the disk fails.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

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

  // How many descriptors there are of the file of a partial's bytes.
  static std::ptrdiff_t opens_of(const cas::Partial& partial) {
    const auto path = [](const std::filesystem::path& fd) {
      std::error_code gone;
      return std::filesystem::read_symlink(fd, gone);
    };
    const auto data = path("/proc/self/fd/" + std::to_string(partial.data_fd()));
    std::vector<std::filesystem::path> fds;
    for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
      fds.push_back(path(fd.path()));
    }
    return std::count(fds.begin(), fds.end(), data);
  }

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

// Reading ahead fails, and the partial is opened anew, while a reader's own chunk is still awaited
// through the old one.
TEST_F(LazyBlobsOnABadDisk, AReaderIsAnsweredAlthoughReadingAheadFailed) {
  const auto reader = open(weights_);
  auto other = store_->open_partial(reader->blob().key(), cas::Preallocate::kNo).value();
  auto held = other->claim(0, kMiB, {0, kMiB}).value();
  ASSERT_TRUE(held);
  disk_.set_fault({1, ENOSPC, castool::testing::Repeat::kOnce, castool::testing::FileOp::kWrite});
  auto answer = want(reader->blob(), {0, 1});
  ASSERT_TRUE(soon([&] { return opens_of(*other) == 5; }));
  held.reset();
  EXPECT_TRUE(get(std::move(answer)));
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
