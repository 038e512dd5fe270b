#include "fusefs/store_blobs.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/hasher.h"
#include "cas/partial.h"
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
  const MayRead nobody_ = [](const BlobHome&, const base::Digest&) { return false; };
  const base::Error wrong_ = base::make_error(base::Code::kDigestMismatch, "wrong");
  std::string place_;
  base::SystemFileOps files_;
  base::SystemClock clock_;
  testing::RecordingLog log_;
  std::unique_ptr<cas::Store> store_;
};

TEST_F(StoreBlobsTest, OnlyTheFileThatWasFoundWrongGoesToQuarantine) {
  StoreBlobs blobs(*store_, Trust::kStore, nobody_);
  const auto rotten = blobs.open({digest_, {}});
  ASSERT_TRUE(rotten);
  blobs.found_damaged(*rotten->blob, wrong_);
  EXPECT_EQ(blobs.open({digest_, {}}).error().code, base::Code::kNotFound);
  ASSERT_TRUE(store_->put(bytes_));
  blobs.found_damaged(*rotten->blob, wrong_);
  EXPECT_TRUE(blobs.open({digest_, {}})) << "this one came since";
}

TEST_F(StoreBlobsTest, WhatAModelHasNoRightToIsAbsent) {
  const std::string large(2 * cas::kChunkSize, 'c');
  const base::Digest digest = *store_->put(large);
  bool asked = false;
  const MayRead by_name = [&](const BlobHome& home, const base::Digest& wanted) {
    asked = true;
    return home.name == "has" && wanted == digest;
  };
  StoreBlobs blobs(*store_, Trust::kStore, by_name);
  const StoreManifests manifests(*store_, by_name);
  const auto of = [&](const std::string& name, bool complete) {
    return BlobContent{
        digest, std::make_shared<const BlobHome>(BlobHome{name, {}, {}, {}, {}, {}, complete})};
  };
  EXPECT_EQ(blobs.open(of("lacks", false)).error().code, base::Code::kNotFound);
  EXPECT_FALSE(blobs.needs_no_look(of("lacks", false)));
  EXPECT_EQ(blobs.status(of("lacks", false))->state, BlobState::kAbsent);
  EXPECT_EQ(manifests.gguf(of("lacks", false)).error().code, base::Code::kNotFound);
  EXPECT_TRUE(blobs.open(of("has", false)));
  EXPECT_TRUE(blobs.needs_no_look(of("has", false)));
  EXPECT_EQ(blobs.status(of("has", false))->state, BlobState::kVerified);
  EXPECT_NE(manifests.gguf(of("has", false)).error().code, base::Code::kNotFound);
  asked = false;
  EXPECT_TRUE(blobs.open(of("lacks", true)));
  EXPECT_TRUE(blobs.open({digest, {}}));
  EXPECT_FALSE(asked) << "a complete model, and one's own manifests, need no right";
}

}  // namespace
}  // namespace castool::fusefs
