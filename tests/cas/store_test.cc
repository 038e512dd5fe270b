#include "cas/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cas/ref_store.h"
#include "cas/sums.h"
#include "tests/cas/store_fixture.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_file_ops.h"

namespace castool::cas {
namespace {

namespace fs = std::filesystem;
using base::Code;

mode_t mode_of(const fs::path& path) {
  struct stat info = {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST_F(StoreTest, ReadingAMissingStoreCreatesNothing) {
  const auto store = try_open(files_, Access::kRead);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Code::kNotFound);
  EXPECT_FALSE(fs::exists(root()));
}

TEST_F(StoreTest, IsCreatedWithParentsAndOpensAgain) {
  const fs::path deep = dir_.path() / "a/b/store";
  ASSERT_TRUE(Store::open(deep.string(), Access::kWrite, files_, clock_, *log_));
  EXPECT_EQ(slurp(deep / "format"), "1\n");
  EXPECT_EQ(mode_of(deep), 0700u);
  EXPECT_TRUE(Store::open(deep.string(), Access::kRead, files_, clock_, *log_));
  EXPECT_TRUE(Store::open(deep.string(), Access::kWrite, files_, clock_, *log_));
}

TEST_F(StoreTest, ModesDoNotDependOnTheUmask) {
  for (const mode_t mask : {0000u, 0022u, 0077u, 0777u}) {
    fs::remove_all(root());
    const mode_t before = ::umask(mask);
    auto store = open();
    const auto digest = store->put(content(3 << 20));
    const auto key = key_of(content(10, 4));
    const auto partial = store->open_partial(key, Preallocate::kNo);
    ::umask(before);
    ASSERT_TRUE(digest);
    ASSERT_TRUE(partial);
    EXPECT_EQ(mode_of(blob_file(*digest)), 0444u);
    EXPECT_EQ(mode_of(partial_path(key) / "data"), 0600u);
    EXPECT_EQ(mode_of(partial_path(key) / "table"), 0600u);
    for (const auto& entry : fs::recursive_directory_iterator(root())) {
      if (entry.is_directory()) {
        EXPECT_EQ(mode_of(entry.path()), 0700u) << entry.path();
      }
    }
  }
}

TEST_F(StoreTest, GroupOrWorldWritableIsRefused) {
  (void)open();
  for (const auto bits : {fs::perms::group_write, fs::perms::others_write}) {
    fs::permissions(root(), fs::perms::owner_all | bits);
    for (const Access access : {Access::kRead, Access::kWrite}) {
      const auto store = try_open(files_, access);
      ASSERT_FALSE(store);
      EXPECT_EQ(store.error().code, Code::kStoreRefused);
      EXPECT_THAT(store.error().text(), ::testing::HasSubstr("chmod go-w"));
    }
  }
}

TEST_F(StoreTest, NewerAndDamagedFormatsAreRefused) {
  (void)open();
  for (const std::string format :
       {"2\n", "99999999999999999999\n", "", "1", "x\n", "-1\n", "1 \n"}) {
    spill(root() / "format", format);
    const auto store = try_open(files_);
    ASSERT_FALSE(store) << format;
    EXPECT_EQ(store.error().code, Code::kStoreRefused) << format;
  }
}

TEST_F(StoreTest, ADirectoryWithOtherThingsIsRefused) {
  fs::create_directory(root());
  fs::permissions(root(), fs::perms::owner_all);
  spill(root() / "thesis.tex", "x");
  const auto store = try_open(files_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Code::kStoreRefused);
  EXPECT_EQ(entries("."), 1u);
}

TEST_F(StoreTest, ACreationThatWasInterruptedIsCompleted) {
  (void)open();
  fs::remove(root() / "format");
  fs::remove_all(root() / "blobs/sha256/7f");
  EXPECT_FALSE(try_open(files_, Access::kRead));
  ASSERT_TRUE(open());
  EXPECT_TRUE(fs::exists(root() / "blobs/sha256/7f"));
}

TEST_F(StoreTest, ASymbolicLinkToTheStoreIsFollowed) {
  (void)open();
  fs::rename(root(), dir_.path() / "elsewhere");
  fs::create_directory_symlink(dir_.path() / "elsewhere", root());
  ASSERT_TRUE(open());
}

TEST_F(StoreTest, AFileInPlaceOfTheStoreIsRefused) {
  spill(root(), "x");
  const auto store = try_open(files_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Code::kStoreRefused);
}

TEST_F(StoreTest, FindsWhatWasPut) {
  auto store = open();
  const std::string bytes = content(5000);
  const auto digest = store->put(bytes);
  ASSERT_TRUE(digest);
  EXPECT_EQ(*digest, base::Sha256::of(bytes));
  const auto blob = store->find(*digest);
  ASSERT_TRUE(blob && *blob);
  EXPECT_EQ((*blob)->size, bytes.size());
  EXPECT_EQ(**store->size_of(*digest), bytes.size());
  EXPECT_EQ(*store->read_small(*digest, 1 << 20), bytes);
  EXPECT_EQ(check_blobs(), 1u);
  EXPECT_EQ(entries("tmp"), 0u);

  const base::Digest other = base::Sha256::of("other");
  EXPECT_FALSE(*store->find(other));
  EXPECT_FALSE(*store->size_of(other));
  EXPECT_EQ(store->read_small(other, 10).error().code, Code::kNotFound);
  EXPECT_EQ(store->read_small(*digest, 10).error().code, Code::kIo);
}

TEST_F(StoreTest, PuttingTwiceKeepsTheFirstFile) {
  auto store = open();
  const auto digest = store->put("once");
  struct stat before = {};
  struct stat after = {};
  ::stat(blob_file(*digest).c_str(), &before);
  ASSERT_TRUE(store->put("once"));
  ::stat(blob_file(*digest).c_str(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(entries("tmp"), 0u);
}

TEST_F(StoreTest, TheEmptyBlob) {
  auto store = open();
  const auto digest = store->put("");
  ASSERT_TRUE(digest);
  EXPECT_EQ(digest->hex().substr(0, 8), "e3b0c442");
  EXPECT_EQ(*store->read_small(*digest, 0), "");
}

TEST_F(StoreTest, ADamagedBlobIsNotRead) {
  auto store = open();
  const auto digest = store->put("manifest");
  fs::permissions(blob_file(*digest), fs::perms::owner_all);
  spill(blob_file(*digest), "manifesT");
  EXPECT_EQ(store->read_small(*digest, 100).error().code, Code::kDigestMismatch);
}

TEST_F(StoreTest, AnIngestThatIsDroppedLeavesNothing) {
  auto store = open();
  {
    auto ingest = store->begin_ingest();
    ASSERT_TRUE(ingest);
    ASSERT_TRUE(ingest->append(bytes_of("half")));
    EXPECT_EQ(entries("tmp"), 1u);
  }
  EXPECT_EQ(entries("tmp"), 0u);
  EXPECT_EQ(check_blobs(), 0u);
}

TEST_F(StoreTest, IngestInPiecesWritesTheSameBlobAndItsSidecar) {
  auto store = open();
  const std::string bytes = content(2 * kChunkSize + 77);
  auto ingest = store->begin_ingest();
  ASSERT_TRUE(ingest);
  for (std::size_t at = 0; at < bytes.size(); at += 300001) {
    ASSERT_TRUE(ingest->append(bytes_of(bytes).subspan(at, std::min(bytes.size() - at, 300001ul))));
  }
  EXPECT_EQ(ingest->size(), bytes.size());
  const auto digest = ingest->commit();
  ASSERT_TRUE(digest);
  EXPECT_EQ(slurp(blob_file(*digest)), bytes);
  const auto sums = read_sums(store->dir(), *digest, bytes.size());
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->size(), 3u);
}

TEST_F(StoreTest, ASidecarWithAnyByteFlippedIsNone) {
  auto store = open();
  const std::string bytes = content(kChunkSize + 1);
  const auto digest = *store->put(bytes);
  const fs::path path = root() / "sums/sha256" / digest.hex().substr(0, 2) / digest.hex();
  const std::string good = slurp(path);
  ASSERT_TRUE(read_sums(store->dir(), digest, bytes.size()));
  EXPECT_FALSE(read_sums(store->dir(), digest, bytes.size() + kChunkSize));
  fs::permissions(path, fs::perms::owner_all);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    spill(path, bad);
    EXPECT_FALSE(read_sums(store->dir(), digest, bytes.size())) << at;
  }
}

// The calls that decide what a power cut leaves, in their order.
std::vector<std::string> lasting(testing::FaultFileOps& files) {
  std::vector<std::string> kept;
  for (const std::string& call : files.take_calls()) {
    if (call.starts_with("sync") || call.starts_with("rename")) {
      // Names below tmp/ are random.
      kept.push_back(call.substr(0, call.find(' ')) +
                     (call.starts_with("sync directory") ? call.substr(4) : ""));
    }
  }
  return kept;
}

TEST_F(StoreTest, AnIngestIsDurableBeforeItHasAName) {
  testing::FaultFileOps calls(files_);
  const auto store = *try_open(calls);
  (void)calls.take_calls();
  const auto digest = store->put("x");
  ASSERT_TRUE(digest);
  EXPECT_THAT(lasting(calls),
              ::testing::ElementsAre("sync", "rename",
                                     "sync directory blobs/sha256/" + digest->hex().substr(0, 2)));
}

TEST_F(StoreTest, ANewStoreIsDurableBeforeItsFormatSaysSo) {
  testing::FaultFileOps calls(files_);
  ASSERT_TRUE(try_open(calls));
  EXPECT_THAT(lasting(calls),
              ::testing::ElementsAre("sync directory blobs/sha256", "sync directory blobs",
                                     "sync directory .", "sync", "rename", "sync directory ."));
}

TEST_F(StoreTest, ARefIsDurableWhenItIsSaidToBe) {
  testing::FaultFileOps calls(files_);
  const auto store = *try_open(calls);
  auto refs = *RefStore::open(*store, "default");
  (void)calls.take_calls();
  ASSERT_TRUE(refs.put("a", "1"));
  EXPECT_THAT(lasting(calls),
              ::testing::ElementsAre("sync", "rename", "sync directory refs/default",
                                     "sync directory refs"));
  ASSERT_TRUE(refs.remove("a"));
  EXPECT_THAT(lasting(calls), ::testing::ElementsAre("sync directory refs/default"));
}

TEST_F(StoreTest, AStoreOpenedForReadingWritesNothing) {
  (void)open();
  auto store = open(Access::kRead);
  EXPECT_EQ(store->put("x").error().code, Code::kStoreRefused);
  EXPECT_EQ(store->open_partial(key_of("x"), Preallocate::kNo).error().code, Code::kStoreRefused);
  EXPECT_EQ(store->put_alias(origin_key("o"), {}, {}).error().code, Code::kStoreRefused);
}

TEST_F(StoreTest, OldLeftoversGoAndLockedOnesStay) {
  testing::FakeClock clock;
  clock.set_wall(std::chrono::system_clock::now());
  auto store = open();
  auto live = store->begin_ingest();
  ASSERT_TRUE(live);
  spill(root() / "tmp/dead", "x");
  fs::create_directory(root() / "tmp/deaddir");
  spill(root() / "tmp/deaddir/table", "x");
  spill(root() / "tmp/deaddir/data", "x");
  ASSERT_TRUE(Store::open(root().string(), Access::kWrite, files_, clock, *log_));
  EXPECT_EQ(entries("tmp"), 3u);
  clock.advance(std::chrono::hours(25));
  ASSERT_TRUE(Store::open(root().string(), Access::kWrite, files_, clock, *log_));
  EXPECT_EQ(entries("tmp"), 1u);
  ASSERT_TRUE(live->append(bytes_of("alive")));
  EXPECT_TRUE(live->commit());
}

TEST_F(StoreTest, AliasesAreKeptPerOriginAndParsedStrictly) {
  auto store = open();
  const auto oid = base::GitOid::parse_hex(std::string(40, 'a'));
  const base::Digest one = base::Sha256::of("1");
  const base::Digest two = base::Sha256::of("2");
  const std::string key = origin_key("https://h o/n");
  EXPECT_FALSE(store->find_alias(key, *oid));
  ASSERT_TRUE(store->put_alias(key, *oid, one));
  EXPECT_EQ(store->find_alias(key, *oid), one);
  EXPECT_FALSE(store->find_alias(origin_key("another"), *oid));
  ASSERT_TRUE(store->put_alias(key, *oid, two));
  EXPECT_EQ(store->find_alias(key, *oid), two);
  EXPECT_FALSE(store->put_alias("../../etc", *oid, one));
  EXPECT_FALSE(store->find_alias("../../etc", *oid));

  const fs::path link = root() / "aliases" / key / oid->hex();
  EXPECT_EQ(fs::read_symlink(link).string(), two.text());
  fs::remove(link);
  fs::create_symlink("/etc/passwd", link);
  EXPECT_FALSE(store->find_alias(key, *oid));
}

TEST_F(StoreTest, UsageAddsUp) {
  auto store = open();
  ASSERT_TRUE(store->put("123"));
  ASSERT_TRUE(store->put(content(10000)));
  const std::string bytes = content(kChunkSize, 8);
  const auto partial = store->open_partial(key_of(bytes), Preallocate::kYes);
  ASSERT_TRUE(partial);
  const auto usage = store->usage();
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->blobs, 2u);
  EXPECT_EQ(usage->stored_bytes, 10003u);
  EXPECT_GE(usage->partial_bytes, kChunkSize);
  EXPECT_GT(usage->free_bytes, 0u);
}

}  // namespace
}  // namespace castool::cas
