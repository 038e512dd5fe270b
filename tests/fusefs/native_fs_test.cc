// What is left to the kernel, and by which id.
#include <fcntl.h>

#include <cerrno>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "cas/partial.h"
#include "fusefs/fake_native.h"
#include "fusefs/model_fs_fixture.h"

namespace castool::fusefs {
namespace {

class NativeFsTest : public testing::ModelFsTest {
 protected:
  NativeFsTest()
      : fs_(tree_of({add("o/m", {{"big", big_}, {"small", "s"}}), add("o/n", {{"same", big_}})}),
            {blobs_, &native_}, {}, log_) {}

  NodeId look_up(const std::string& model, const std::string& name) {
    const auto entry = fs_.lookup(walk(fs_, model), name);
    return entry ? entry->id : 0;
  }

  const std::string big_ = std::string(cas::kChunkSize + 1, 'b');
  testing::FakeNative native_;
  ModelFs fs_;
};

TEST_F(NativeFsTest, AFileGetsItsNativeIdWhenItIsFitForIt) {
  const Ino directory = walk(fs_, "o/m");
  const auto before = fs_.lookup(directory, "big");
  EXPECT_FALSE(is_native(before->id));
  EXPECT_EQ(before->entry_seconds, kVolatileSeconds) << "the change has to be noticed";
  blobs_.set_native(true);
  const auto after = fs_.lookup(directory, "big");
  EXPECT_TRUE(is_native(after->id));
  EXPECT_EQ(after->entry_seconds, kFixedSeconds);
  EXPECT_EQ(ino_of(after->id), before->id);
  EXPECT_EQ(fs_.stat_of(*after->node).st_ino, before->id);
  // Both are open at once, each in its own way.
  EXPECT_FALSE(open(fs_, before->id, O_RDONLY)->native);
  EXPECT_EQ(open(fs_, after->id, O_RDONLY)->native, 1);
  EXPECT_EQ(read(fs_, before->id, 5, 3), "bbb");
  fs_.release(before->id);
  fs_.release(after->id);
  EXPECT_EQ(native_.registered(), 0u);
  EXPECT_EQ(fs_.open_files(), 0u);
}

TEST_F(NativeFsTest, SmallFilesAndGeneratedOnesAreNot) {
  blobs_.set_native(true);
  EXPECT_FALSE(is_native(look_up("o/m", "small")));
  EXPECT_FALSE(is_native(look_up("o/m", "graph.pbtxt")));
  EXPECT_FALSE(is_native(fs_.lookup(kRootIno, "config.json")->id));
  EXPECT_EQ(fs_.lookup(walk(fs_, "o/m"), "small")->entry_seconds, kFixedSeconds);
}

TEST_F(NativeFsTest, NothingIsWhereTheKernelCannot) {
  blobs_.set_native(true);
  native_.set_available(false);
  const auto entry = fs_.lookup(walk(fs_, "o/m"), "big");
  EXPECT_FALSE(is_native(entry->id));
  EXPECT_EQ(entry->entry_seconds, kFixedSeconds);
}

TEST_F(NativeFsTest, OneRegistrationForAllWhoReadABlob) {
  blobs_.set_native(true);
  const NodeId one = look_up("o/m", "big");
  const NodeId two = look_up("o/n", "same");
  ASSERT_NE(one, two);
  EXPECT_EQ(open(fs_, one, O_RDONLY)->native, open(fs_, two, O_RDONLY)->native);
  EXPECT_EQ(open(fs_, one, O_RDONLY)->native, 1);
  EXPECT_EQ(native_.registered(), 1u);
  fs_.release(one);
  fs_.release(one);
  EXPECT_EQ(native_.registered(), 1u);
  fs_.release(two);
  EXPECT_EQ(native_.registered(), 0u);
}

TEST_F(NativeFsTest, WhatTheKernelRefusesIsReadThroughTheDaemonUntilAllHaveClosed) {
  blobs_.set_native(true);
  native_.set_refuses(true);
  const NodeId id = look_up("o/m", "big");
  ASSERT_TRUE(is_native(id));
  EXPECT_FALSE(open(fs_, id, O_RDONLY)->native);
  native_.set_refuses(false);
  EXPECT_FALSE(open(fs_, id, O_RDONLY)->native) << "one node is never open in both ways";
  EXPECT_EQ(read(fs_, id, 0, 2), "bb");
  fs_.release(id);
  fs_.release(id);
  EXPECT_EQ(open(fs_, id, O_RDONLY)->native, 1);
}

TEST_F(NativeFsTest, AnUncheckedBlobIsNeverOpenedNatively) {
  blobs_.set_native(true);
  const NodeId id = look_up("o/m", "big");
  base::SystemFileOps files;
  base::SystemClock clock;
  const std::string place = ::testing::TempDir() + "castool-native-" + std::to_string(::getpid());
  const auto store = cas::Store::open(place, cas::Access::kWrite, files, clock, log_);
  ASSERT_TRUE(store);
  ASSERT_TRUE((*store)->put(big_));
  auto stored = (*store)->find(base::Sha256::of(big_));
  ASSERT_TRUE(stored && *stored);
  blobs_.set_checks(std::make_shared<cas::CheckedBlob>(**store, **std::move(stored)));
  EXPECT_EQ(open(fs_, id, O_RDONLY).error().value, ESTALE);
  EXPECT_EQ(native_.registered(), 0u);
  blobs_.set_native(false);
  ASSERT_EQ(look_up("o/m", "big"), ino_of(id));
  EXPECT_TRUE(open(fs_, ino_of(id), O_RDONLY)) << "through the daemon it can be read";
  EXPECT_EQ(read(fs_, ino_of(id), 0, 2), "bb");
  std::filesystem::remove_all(place);
}

}  // namespace
}  // namespace castool::fusefs
