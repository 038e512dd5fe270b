#include "cas/checked_blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "cas/stamp.h"
#include "cas/sums.h"
#include "tests/cas/store_fixture.h"

namespace castool::cas {
namespace {

using namespace std::chrono_literals;

class CheckedBlobTest : public StoreTest {
 protected:
  const std::string bytes_ = content(3 * kChunkSize + 77);
  std::unique_ptr<Store> store_ = StoreTest::open();
  const base::Digest digest_ = put(bytes_);

  base::Digest put(const std::string& bytes) {
    auto digest = store_->put(bytes);
    EXPECT_TRUE(digest);
    return *digest;
  }
  CheckedBlob checked(const base::Digest& digest) {
    auto blob = store_->find(digest);
    EXPECT_TRUE(blob && *blob);
    return CheckedBlob(*store_, **std::move(blob));
  }
  std::filesystem::path sums_of(const base::Digest& digest) {
    return root() / "sums/sha256" / digest.hex().substr(0, 2) / digest.hex();
  }
  void flip(const base::Digest& digest, std::uint64_t offset) {
    ASSERT_EQ(::chmod(blob_file(digest).c_str(), 0600), 0);
    const int fd = ::open(blob_file(digest).c_str(), O_RDWR);
    char byte = 0;
    ASSERT_EQ(::pread(fd, &byte, 1, static_cast<off_t>(offset)), 1);
    byte = static_cast<char>(byte ^ 1);
    ASSERT_EQ(::pwrite(fd, &byte, 1, static_cast<off_t>(offset)), 1);
    ::close(fd);
  }
};

TEST_F(CheckedBlobTest, AWholeBlobIsGoodAndKnownUntilTheNextBoot) {
  const int fd = ::open(blob_file(digest_).c_str(), O_RDONLY);
  EXPECT_TRUE(store_->verified_this_boot(digest_, fd)) << "it has just been hashed";
  std::filesystem::remove(sums_of(digest_).string() + ".stamp");
  EXPECT_FALSE(store_->verified_this_boot(digest_, fd));
  CheckedBlob blob = checked(digest_);
  EXPECT_FALSE(blob.all_good());
  EXPECT_TRUE(blob.check({0, 1}));
  EXPECT_FALSE(blob.all_good());
  ASSERT_TRUE(blob.check_all({}));
  EXPECT_TRUE(blob.all_good());
  EXPECT_TRUE(store_->verified_this_boot(digest_, fd));
  ::close(fd);
}

TEST(Stamp, EveryPartCounts) {
  struct stat file = {};
  const std::string stamp = stamp_text("boot", file);
  EXPECT_NE(stamp_text("other", file), stamp);
  struct stat device = {}, inode = {}, size = {}, mtime = {}, ctime = {};
  device.st_dev = inode.st_ino = 1;
  size.st_size = 1;
  mtime.st_mtim.tv_nsec = ctime.st_ctim.tv_nsec = 1;
  for (const struct stat& changed : {device, inode, size, mtime, ctime})
    EXPECT_NE(stamp_text("boot", changed), stamp);
}

TEST_F(CheckedBlobTest, AChangedFileIsNoLongerKnown) {
  ASSERT_TRUE(checked(digest_).check_all({}));
  const int fd = ::open(blob_file(digest_).c_str(), O_RDONLY);
  ASSERT_TRUE(store_->verified_this_boot(digest_, fd));
  const auto path = blob_file(digest_);
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) - 1s);
  EXPECT_FALSE(store_->verified_this_boot(digest_, fd));
  ::close(fd);
}

TEST_F(CheckedBlobTest, FindsEveryFlippedByteAndOnlyItsChunk) {
  for (const std::uint64_t offset :
       {std::uint64_t{0}, kChunkSize - 1, kChunkSize, 2 * kChunkSize + 5, bytes_.size() - 1}) {
    flip(digest_, offset);
    CheckedBlob blob = checked(digest_);
    const std::uint64_t chunk = offset / kChunkSize;
    for (std::uint64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(blob.check({i * kChunkSize + 3, 1}).has_value(), i != chunk) << offset << " " << i;
    }
    const base::Status all = blob.check_all({});
    ASSERT_FALSE(all) << offset;
    EXPECT_EQ(all.error().code, base::Code::kDigestMismatch);
    const auto bad = blob.bad_chunks();
    ASSERT_EQ(bad.size(), 1u);
    EXPECT_TRUE(bad[0].contains({offset, 1}));
    const int fd = ::open(blob_file(digest_).c_str(), O_RDONLY);
    EXPECT_FALSE(store_->verified_this_boot(digest_, fd));
    ::close(fd);
    flip(digest_, offset);
  }
}

TEST_F(CheckedBlobTest, ARangeOverSeveralChunksNeedsAllOfThem) {
  flip(digest_, 2 * kChunkSize);
  CheckedBlob blob = checked(digest_);
  EXPECT_TRUE(blob.check({0, 2 * kChunkSize}));
  EXPECT_FALSE(blob.check({0, 2 * kChunkSize + 1}));
  EXPECT_TRUE(blob.check({3 * kChunkSize, 1'000'000'000}));  // beyond the end there is nothing
  EXPECT_TRUE(blob.check({bytes_.size(), 10}));
}

TEST_F(CheckedBlobTest, ATruncatedFileIsDamaged) {
  ASSERT_EQ(::truncate(blob_file(digest_).c_str(), static_cast<off_t>(bytes_.size() - 1)), 0);
  CheckedBlob blob = checked(digest_);
  EXPECT_FALSE(blob.check_all({}));
}

TEST_F(CheckedBlobTest, WithoutASidecarTheDigestDecidesAndItIsWrittenAnew) {
  std::filesystem::remove(sums_of(digest_));
  CheckedBlob blob = checked(digest_);
  EXPECT_TRUE(blob.check({5, 5}));
  EXPECT_TRUE(blob.all_good());
  EXPECT_TRUE(std::filesystem::exists(sums_of(digest_)));
  CheckedBlob again = checked(digest_);
  EXPECT_TRUE(again.check({5, 5}));
  EXPECT_FALSE(again.all_good());  // by the sidecar this time
}

TEST_F(CheckedBlobTest, WithoutASidecarDamageIsFoundToo) {
  std::filesystem::remove(sums_of(digest_));
  flip(digest_, bytes_.size() - 1);
  CheckedBlob blob = checked(digest_);
  EXPECT_FALSE(blob.check({0, 1}));
  EXPECT_FALSE(std::filesystem::exists(sums_of(digest_)));
}

TEST_F(CheckedBlobTest, SmallAndEmptyBlobs) {
  const auto small = put("small");
  EXPECT_TRUE(checked(small).check({0, 5}));
  EXPECT_TRUE(checked(put("")).check({0, 5}));
  EXPECT_TRUE(checked(put("")).check_all({}));
  flip(small, 2);
  EXPECT_FALSE(checked(small).check({0, 1}));
}

TEST_F(CheckedBlobTest, ManyThreadsAtOnce) {
  std::filesystem::remove(sums_of(digest_));
  CheckedBlob blob = checked(digest_);
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] { good += blob.check({0, bytes_.size()}) ? 1 : 0; });
  }
  EXPECT_EQ(good, 8);
  EXPECT_TRUE(blob.all_good());
}

TEST_F(CheckedBlobTest, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  const base::Status status = checked(digest_).check_all(stop.get_token());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, base::Code::kCancelled);
}

TEST_F(CheckedBlobTest, AQuarantinedBlobIsGoneAndMayComeAgain) {
  const int fd = ::open(blob_file(digest_).c_str(), O_RDONLY);
  ASSERT_TRUE(checked(digest_).check_all({}));
  ASSERT_TRUE(store_->quarantine(digest_));
  EXPECT_FALSE(*store_->size_of(digest_));
  EXPECT_FALSE(std::filesystem::exists(sums_of(digest_)));
  EXPECT_FALSE(store_->verified_this_boot(digest_, fd));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(root() / "quarantine"), {}), 1);
  ASSERT_TRUE(store_->quarantine(digest_));  // nothing to do
  EXPECT_EQ(put(bytes_), digest_);
  EXPECT_TRUE(checked(digest_).check_all({}));
  ::close(fd);
}

}  // namespace
}  // namespace castool::cas
