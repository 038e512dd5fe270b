#include "fusefs/store_blobs.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/hasher.h"
#include "fusefs/fakes.h"

namespace castool::fusefs {
namespace {

class StoreBlobsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    place_ = ::testing::TempDir() + "castool-blobs-" + std::to_string(::getpid());
    auto store = cas::Store::open(place_, cas::Access::kWrite, files_, clock_, log_);
    ASSERT_TRUE(store) << store.error().text();
    store_ = *std::move(store);
    ASSERT_TRUE(store_->put(bytes_));
  }
  void TearDown() override { std::filesystem::remove_all(place_); }

  const std::string bytes_ = std::string(3000, 'b');
  const base::Digest digest_ = base::Sha256::of(std::string_view(bytes_));
  const base::Error wrong_ = base::make_error(base::Code::kDigestMismatch, "wrong");
  std::string place_;
  base::SystemFileOps files_;
  base::SystemClock clock_;
  testing::RecordingLog log_;
  std::unique_ptr<cas::Store> store_;
};

TEST_F(StoreBlobsTest, OnlyTheFileThatWasFoundWrongGoesToQuarantine) {
  StoreBlobs blobs(*store_, Trust::kStore);
  const auto rotten = blobs.open(digest_);
  ASSERT_TRUE(rotten);
  blobs.found_damaged(*rotten->blob, wrong_);
  EXPECT_EQ(blobs.open(digest_).error().code, base::Code::kNotFound);
  ASSERT_TRUE(store_->put(bytes_));
  blobs.found_damaged(*rotten->blob, wrong_);
  EXPECT_TRUE(blobs.open(digest_)) << "this one came since";
}

}  // namespace
}  // namespace castool::fusefs
