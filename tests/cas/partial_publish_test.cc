// From a complete partial to a blob, alone and against others.
#include <thread>

#include "cas/deliveries.h"
#include "cas/sums.h"
#include "tests/cas/partial_fixture.h"
#include "tests/support/fault_file_ops.h"

namespace castool::cas {
namespace {

namespace fs = std::filesystem;
using base::Code;
using testing::FaultFileOps;

using PartialPublishTest = PartialTest;

TEST_F(PartialPublishTest, FillsAndPublishes) {
  auto store = open();
  for (const Preallocate preallocate : {Preallocate::kNo, Preallocate::kYes}) {
    fs::remove(blob_file(key_.digest));
    auto partial = open_partial(*store, preallocate);
    EXPECT_EQ(partial->chunk_count(), 6u);
    ASSERT_TRUE(fill(*partial, bytes_));
    EXPECT_TRUE(partial->complete());
    EXPECT_FALSE(partial->published());
    EXPECT_EQ(check_blobs(), 0u);
    ASSERT_TRUE(partial->publish(key_.digest));
    EXPECT_TRUE(partial->published());
    EXPECT_EQ(slurp(blob_file(key_.digest)), bytes_);
    EXPECT_EQ(check_blobs(), 1u);
    EXPECT_EQ(entries("partials"), 0u);
    EXPECT_EQ(entries("tmp"), 0u);
    EXPECT_EQ(read_sums(store->dir(), key_.digest, bytes_.size())->size(), 6u);
    EXPECT_TRUE(partial->publish(key_.digest));
    EXPECT_FALSE(*partial->claim(0, kChunkSize, all_));
  }
}

TEST_F(PartialPublishTest, PublishNeedsAllChunksAndTheRightDigest) {
  auto store = open();
  auto partial = open_partial(*store);
  EXPECT_EQ(partial->publish(key_.digest).error().code, Code::kBusy);
  ASSERT_TRUE(fill(*partial, bytes_));
  const auto wrong = partial->publish(base::Sha256::of("wrong"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kDigestMismatch);
  EXPECT_EQ(wrong.error().digest, key_.digest.text());
  EXPECT_EQ(check_blobs(), 0u);
  EXPECT_TRUE(partial->publish(key_.digest));
}

TEST_F(PartialPublishTest, BytesReplacedAfterHashingAreHashedAgainBeforePublishing) {
  auto store = open();
  auto partial = open_partial(*store);
  ASSERT_TRUE(fill(*partial, bytes_));
  // Hashed here, and right. Then another process drops a chunk and its origin sends other bytes.
  auto other = open_partial(*store);
  ASSERT_TRUE(other->invalidate({0, 1}));
  ASSERT_TRUE(fill(*other, content(bytes_.size(), 99)));
  const auto published = partial->publish(key_.digest);
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, Code::kDigestMismatch);
  EXPECT_EQ(check_blobs(), 0u);
  // It can be repaired.
  ASSERT_TRUE(other->invalidate({0, 1}));
  ASSERT_TRUE(fill(*other, bytes_));
  ASSERT_TRUE(partial->publish(key_.digest));
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialPublishTest, WhoeverPublishesTheOthersSeeIt) {
  auto store = open();
  auto one = open_partial(*store);
  auto two = open_partial(*store);
  auto three = open_partial(*store);
  ASSERT_TRUE(fill(*one, bytes_));
  ASSERT_TRUE(one->publish(key_.digest));
  EXPECT_FALSE(*two->claim(0, kChunkSize, all_));
  ASSERT_TRUE(two->refresh());
  EXPECT_TRUE(two->published());
  EXPECT_TRUE(two->complete());
  EXPECT_TRUE(two->publish(key_.digest));
  EXPECT_TRUE(two->try_lead().value());
  ASSERT_TRUE(three->invalidate({0, 1}));
  EXPECT_TRUE(three->publish(key_.digest));
  std::string read(bytes_.size(), 0);
  EXPECT_EQ(::pread(two->data_fd(), read.data(), read.size(), 0),
            static_cast<ssize_t>(bytes_.size()));
  EXPECT_EQ(read, bytes_);
  EXPECT_EQ(check_blobs(), 1u);
  auto late = open_partial(*store);
  EXPECT_TRUE(late->published());
  EXPECT_TRUE(late->present(all_));
  EXPECT_TRUE(late->publish(key_.digest));
  EXPECT_EQ(late->publish(base::Sha256::of("")).error().code, Code::kDigestMismatch);
}

TEST_F(PartialPublishTest, APublishedBlobHasNoWriterLeft) {
  auto store = open();
  auto one = open_partial(*store);
  auto two = open_partial(*store);
  ASSERT_TRUE(append_chunk(**two->claim(0, kChunkSize, all_)));
  ASSERT_TRUE(fill(*one, bytes_));
  ASSERT_TRUE(one->publish(key_.digest));
  EXPECT_EQ(::fcntl(one->data_fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
  ASSERT_TRUE(two->invalidate(all_));
  EXPECT_FALSE(*two->claim(0, kChunkSize, all_));
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialPublishTest, ThePublisherItselfKeepsNoWriter) {
  auto store = open();
  auto partial = open_partial(*store);
  ASSERT_TRUE(fill(*partial, bytes_));
  ASSERT_TRUE(partial->publish(key_.digest));
  struct stat blob = {};
  ASSERT_EQ(::stat(blob_file(key_.digest).c_str(), &blob), 0);
  std::vector<int> found;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    struct stat info = {};
    if (::fstat(fd, &info) != 0 || info.st_ino != blob.st_ino || info.st_dev != blob.st_dev) {
      continue;
    }
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    found.push_back(fd);
  }
  EXPECT_THAT(found, ::testing::ElementsAre(partial->data_fd()));
}

TEST_F(PartialPublishTest, ABlobThatRotsUnderAnOpenPartialIsNotWritten) {
  auto store = open();
  auto one = open_partial(*store);
  ASSERT_TRUE(fill(*one, bytes_));
  auto two = open_partial(*store);
  ASSERT_TRUE(one->publish(key_.digest));
  fs::permissions(blob_file(key_.digest), fs::perms::owner_all);
  spill(blob_file(key_.digest), "x" + bytes_.substr(1));
  ASSERT_FALSE(two->recheck()->empty());
  const auto writer = two->claim(0, kChunkSize, all_);
  ASSERT_TRUE(writer) << writer.error().text();
  EXPECT_FALSE(*writer);
}

TEST_F(PartialPublishTest, AMissingDirectoryOfTheStoreIsMadeAgain) {
  FaultFileOps calls(files_);
  auto store = try_open(calls);
  ASSERT_TRUE(store);
  auto partial = open_partial(**store);
  ASSERT_TRUE(fill(*partial, bytes_));
  fs::remove(blob_file(key_.digest).parent_path());
  (void)calls.take_calls();
  ASSERT_TRUE(partial->publish(key_.digest));
  EXPECT_THAT(calls.take_calls(), ::testing::Contains("sync directory blobs/sha256"));
  EXPECT_EQ(check_blobs(), 1u);
}

// Who placed the blob may have been killed before it synced the name.
TEST_F(PartialPublishTest, ABlobOfAnotherProcessIsMadeDurableBeforeSuccessIsSaid) {
  FaultFileOps calls(files_);
  auto store = open();
  auto watched = try_open(calls);
  ASSERT_TRUE(watched);
  auto one = open_partial(*store);
  auto two = open_partial(**watched);
  ASSERT_TRUE(fill(*one, bytes_));
  ASSERT_TRUE(one->publish(key_.digest));
  const std::string sync = "sync directory blobs/sha256/" + key_.digest.hex().substr(0, 2);
  (void)calls.take_calls();
  ASSERT_TRUE(two->publish(key_.digest));
  EXPECT_THAT(calls.take_calls(), ::testing::Contains(sync));
  EXPECT_EQ(*(*watched)->put(bytes_), key_.digest);
  EXPECT_THAT(calls.take_calls(), ::testing::Contains(sync));
}

TEST_F(PartialPublishTest, OriginsAreKeptApartUntilTheBlobExists) {
  auto store = open();
  auto ours = open_partial(*store);
  PartialKey their_key = key_;
  their_key.origin = "https://other org/name";
  auto theirs = store->open_partial(their_key, Preallocate::kNo);
  ASSERT_TRUE(theirs);
  ASSERT_TRUE(fill(*ours, bytes_));
  EXPECT_EQ(*(*theirs)->refresh(), 0u);
  ASSERT_TRUE(fill(**theirs, bytes_));
  ASSERT_TRUE(ours->publish(key_.digest));
  EXPECT_TRUE((*theirs)->publish(key_.digest));  // already there is success
  EXPECT_EQ(entries("partials"), 0u);
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialPublishTest, OnlyTheOriginThatDeliveredItJoinsAStoredBlob) {
  auto store = open();
  auto ours = open_partial(*store);
  ASSERT_TRUE(fill(*ours, bytes_));
  EXPECT_FALSE(was_delivered(*store, key_.origin, key_.digest));
  ASSERT_TRUE(ours->publish(key_.digest));
  EXPECT_TRUE(was_delivered(*store, key_.origin, key_.digest));
  EXPECT_TRUE(open_partial(*store)->published());

  PartialKey their_key = key_;
  their_key.origin = "https://other org/name";
  const auto theirs = *store->open_partial(their_key, Preallocate::kNo);
  EXPECT_FALSE(theirs->published());
  EXPECT_EQ(theirs->bytes_present(), 0u);
  // Nor does it learn that its size is wrong.
  PartialKey wrong = their_key;
  wrong.size += 1;
  const auto other_size = store->open_partial(wrong, Preallocate::kNo);
  EXPECT_TRUE(other_size || other_size.error().code != Code::kDigestMismatch);

  ASSERT_TRUE(fill(*theirs, bytes_));
  ASSERT_TRUE(theirs->publish(key_.digest));
  EXPECT_TRUE((*store->open_partial(their_key, Preallocate::kNo))->published());
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialPublishTest, WhoeverFindsTheBlobThereTheOthersSeeIt) {
  auto store = open();
  PartialKey their_key = key_;
  their_key.origin = "https://other org/name";
  const auto theirs = *store->open_partial(their_key, Preallocate::kNo);
  auto one = open_partial(*store);
  auto two = open_partial(*store);
  auto idle = open_partial(*store);
  ASSERT_TRUE(append_chunk(**two->claim(0, kChunkSize, all_)));
  ASSERT_TRUE(fill(*one, bytes_));
  ASSERT_TRUE(fill(*theirs, bytes_));
  ASSERT_TRUE(theirs->publish(key_.digest));
  ASSERT_TRUE(one->publish(key_.digest));
  for (Partial* partial : {two.get(), idle.get()}) {
    ASSERT_TRUE(partial->refresh());
    EXPECT_TRUE(partial->published());
    EXPECT_FALSE(*partial->claim(0, kChunkSize, all_));
    const auto again = partial->publish(key_.digest);
    EXPECT_TRUE(again) << again.error().text();
  }
  EXPECT_EQ(check_blobs(), 1u);
  EXPECT_EQ(entries("partials"), 0u);
}

TEST_F(PartialPublishTest, ADigestHasOneSize) {
  auto store = open();
  auto partial = open_partial(*store);
  ASSERT_TRUE(fill(*partial, bytes_));
  ASSERT_TRUE(partial->publish(key_.digest));
  PartialKey wrong = key_;
  wrong.size += 1;
  EXPECT_EQ(store->open_partial(wrong, Preallocate::kNo).error().code, Code::kDigestMismatch);
}

TEST_F(PartialPublishTest, ManyThreadsFillOnePartialThroughTwoOpens) {
  auto store = open();
  const std::string big = content(24 * kChunkSize + 9, 5);
  const PartialKey key = key_of(big);
  const auto one = *store->open_partial(key, Preallocate::kYes);
  const auto two = *store->open_partial(key, Preallocate::kYes);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        Partial& partial = i % 2 == 0 ? *one : *two;
        EXPECT_TRUE(fill(partial, big, (1 + static_cast<std::uint64_t>(i) % 3) * kChunkSize));
      });
    }
  }
  ASSERT_TRUE(one->refresh());
  ASSERT_TRUE(two->refresh());
  EXPECT_TRUE(one->complete());
  EXPECT_TRUE(two->complete());
  {
    std::vector<std::jthread> threads;
    for (Partial* partial : {one.get(), two.get()}) {
      threads.emplace_back([&, partial] { EXPECT_TRUE(partial->publish(key.digest)); });
    }
  }
  EXPECT_EQ(slurp(blob_file(key.digest)), big);
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialPublishTest, PublishesInTheOrderThatSurvivesAPowerCut) {
  FaultFileOps calls(files_);
  auto store = try_open(calls);
  ASSERT_TRUE(store);
  auto partial = open_partial(**store);
  ASSERT_TRUE(fill(*partial, bytes_));
  (void)calls.take_calls();
  ASSERT_TRUE(partial->publish(key_.digest));
  std::vector<std::string> kinds;
  for (const std::string& call : calls.take_calls()) {
    if (!call.starts_with("write") && !call.starts_with("open")) {
      kinds.push_back(call.substr(0, call.find(' ', call.find(' ') + 1)));
    }
  }
  using ::testing::StartsWith;
  EXPECT_THAT(kinds, ::testing::ElementsAre(
                         "sync data", "make directory", "make directory", StartsWith("symlink"),
                         "chmod", "rename data", "sync directory", "make directory",
                         StartsWith("rename tmp"), "make directory", StartsWith("rename tmp"),
                         "unlink table", StartsWith("remove directory")));
}

}  // namespace
}  // namespace castool::cas
