#include "fusefs/model_fs.h"

#include <fcntl.h>

#include <cerrno>
#include <map>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/model_fs_fixture.h"

namespace castool::fusefs {
namespace {

using manifest::RefRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ModelFsTest;

TEST_F(ModelFsTest, LooksUpReadsAndForgets) {
  ModelFs fs(tree_of({add("o/m", {{"d/f", "hello"}})}), {blobs_}, {1, 2}, log_);
  const Ino file = walk(fs, "o/m/d/f");
  ASSERT_NE(file, 0u);
  EXPECT_EQ(fs.known_nodes(), 4u);
  ASSERT_TRUE(open(fs, file, O_RDONLY));
  EXPECT_EQ(read(fs, file, 0, 100), "hello");
  EXPECT_EQ(read(fs, file, 2, 2), "ll");
  EXPECT_EQ(read(fs, file, 5, 2), "");
  fs.release(file);
  EXPECT_EQ(fs.open_files(), 0u);
  for (const char* path : {"o", "o/m", "o/m/d"}) fs.forget(walk(fs, path), 1);
  EXPECT_EQ(fs.known_nodes(), 4u) << "each of them was looked up more than once";
  fs.forget(file, 100);
  EXPECT_EQ(fs.known_nodes(), 3u);
  fs.forget(file, 1);
}

TEST_F(ModelFsTest, Attributes) {
  ModelFs fs(tree_of({add("o/m", {{"f", std::string(5000, 'x')}}, 77)}), {blobs_}, {11, 22}, log_);
  const auto file = fs.getattr(walk(fs, "o/m/f"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->attr_seconds, kFixedSeconds);
  const struct stat attr = fs.stat_of(*file->node);
  EXPECT_EQ(attr.st_mode, static_cast<mode_t>(S_IFREG | 0444));
  EXPECT_EQ(attr.st_size, 5000);
  EXPECT_EQ(attr.st_blocks, 10);
  EXPECT_EQ(attr.st_blksize, 4096);
  EXPECT_EQ(attr.st_mtim.tv_sec, 77);
  EXPECT_EQ(attr.st_uid, 11u);
  EXPECT_EQ(attr.st_gid, 22u);
  EXPECT_EQ(attr.st_nlink, 1u);
  const auto org = fs.getattr(walk(fs, "o"));
  EXPECT_EQ(org->attr_seconds, kVolatileSeconds);
  EXPECT_EQ(fs.stat_of(*org->node).st_mode, static_cast<mode_t>(S_IFDIR | 0755));
  EXPECT_EQ(fs.getattr(kRootIno)->node->ino(), kRootIno);
}

TEST_F(ModelFsTest, CachingFollowsWhatMayChange) {
  ModelFs fs(tree_of({add("o/m", {{"f", "x"}})}), {blobs_}, {}, log_);
  const auto model = fs.lookup(walk(fs, "o"), "m");
  EXPECT_EQ(model->entry_seconds, kVolatileSeconds) << "the name may go";
  EXPECT_EQ(model->attr_seconds, kFixedSeconds) << "what it means never changes";
  EXPECT_EQ(fs.lookup(model->node->ino(), "f")->entry_seconds, kFixedSeconds);
  const auto absent = fs.lookup(model->node->ino(), "absent");
  ASSERT_TRUE(absent);
  EXPECT_EQ(absent->node, nullptr);
  EXPECT_EQ(absent->entry_seconds, kFixedSeconds);
  EXPECT_EQ(fs.lookup(kRootIno, "absent")->entry_seconds, kVolatileSeconds);
}

TEST_F(ModelFsTest, EveryWayToWriteIsRefused) {
  ModelFs fs(tree_of({add("o/m", {{"f", "x"}})}), {blobs_}, {}, log_);
  const Ino file = walk(fs, "o/m/f");
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_RDWR | O_APPEND}) {
    const auto opened = open(fs, file, flags);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().value, EROFS);
  }
  EXPECT_EQ(open(fs, walk(fs, "o"), O_RDONLY).error().value, EISDIR);
  EXPECT_EQ(fs.open_files(), 0u);
}

TEST_F(ModelFsTest, WrongQuestions) {
  ModelFs fs(tree_of({add("o/m", {{"f", "x"}})}), {blobs_}, {}, log_);
  const Ino file = walk(fs, "o/m/f");
  EXPECT_EQ(fs.lookup(file, "x").error().value, ENOTDIR);
  EXPECT_EQ(fs.lookup(12345, "x").error().value, ESTALE);
  EXPECT_EQ(fs.lookup(kRootIno, std::string(256, 'x')).error().value, ENAMETOOLONG);
  EXPECT_EQ(fs.opendir(file).error().value, ENOTDIR);
  EXPECT_EQ(fs.files().read(file, 0, 1).error().value, EBADF);
  EXPECT_EQ(fs.list(77, kRootIno, 0).error().value, EBADF);
  fs.release(file);
  fs.forget(999, 1);
}

TEST_F(ModelFsTest, XattrsSayWhatAFileIs) {
  ModelFs fs(tree_of({add("o/m", {{"f", "hello"}})}), {blobs_}, {}, log_);
  const Ino file = walk(fs, "o/m/f");
  EXPECT_EQ(*fs.getxattr(file, "user.castool.sha256"),
            base::Sha256::of(std::string_view("hello")).hex());
  EXPECT_EQ(*fs.getxattr(file, "user.castool.state"), "verified");
  EXPECT_EQ(*fs.getxattr(file, "user.castool.present"), "5");
  EXPECT_EQ(fs.getxattr(file, "security.selinux").error().value, ENODATA);
  EXPECT_THAT(*fs.listxattr(file),
              ElementsAre("user.castool.sha256", "user.castool.state", "user.castool.present"));
  blobs_.remove(base::Sha256::of(std::string_view("hello")));
  EXPECT_EQ(*fs.getxattr(file, "user.castool.state"), "absent");
  const Ino model = walk(fs, "o/m");
  EXPECT_EQ(*fs.getxattr(model, "user.castool.source"), "hf://o/m@main");
  EXPECT_EQ(*fs.getxattr(model, "user.castool.revision"), std::string(40, 'c'));
  EXPECT_EQ(fs.getxattr(walk(fs, "o"), "user.castool.source").error().value, ENODATA);
  EXPECT_THAT(*fs.listxattr(walk(fs, "o")), IsEmpty());
  EXPECT_EQ(*fs.getxattr(walk(fs, "config.json"), "user.castool.state"), "verified");
}

TEST_F(ModelFsTest, AMissingOrWrongBlobIsEioAndSaysWhich) {
  const RefRecord record = add("o/m", {{"f", "hello"}, {"g", "other"}});
  const base::Digest lost = base::Sha256::of(std::string_view("hello"));
  const base::Digest cut = base::Sha256::of(std::string_view("other"));
  blobs_.remove(lost);
  blobs_.put_as(cut, "oth");
  ModelFs fs(tree_of({record}), {blobs_}, {}, log_);
  EXPECT_EQ(open(fs, walk(fs, "o/m/f"), O_RDONLY).error().value, EIO);
  EXPECT_THAT(log_.text(), HasSubstr(lost.text()));
  EXPECT_EQ(open(fs, walk(fs, "o/m/g"), O_RDONLY).error().value, EIO);
  EXPECT_THAT(log_.text(), HasSubstr(cut.text()));
  EXPECT_EQ(fs.open_files(), 0u);
  blobs_.put("hello");
  EXPECT_TRUE(open(fs, walk(fs, "o/m/f"), O_RDONLY)) << "the next open tries again";
}

TEST_F(ModelFsTest, ALostManifestHurtsItsModelOnly) {
  const RefRecord lost = add("o/lost", {{"f", "x"}});
  const RefRecord fine = add("o/fine", {{"f", "x"}});
  manifests_->remove(lost.manifest);
  ModelFs fs(tree_of({lost, fine}), {blobs_}, {}, log_);
  EXPECT_EQ(fs.lookup(walk(fs, "o/lost"), "f").error().value, EIO);
  EXPECT_THAT(log_.text(), HasSubstr("cannot read 'lost'"));
  EXPECT_NE(walk(fs, "o/fine/f"), 0u);
}

TEST_F(ModelFsTest, ManyOpensOfOneFileTakeOneDescriptor) {
  ModelFs fs(tree_of({add("o/m", {{"f", "x"}})}), {blobs_}, {}, log_);
  const Ino file = walk(fs, "o/m/f");
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(open(fs, file, O_RDONLY));
  EXPECT_EQ(blobs_.opens(), 1);
  for (int i = 0; i < 99; ++i) fs.release(file);
  EXPECT_EQ(read(fs, file, 0, 1), "x");
  fs.release(file);
  EXPECT_EQ(fs.open_files(), 0u);
}

TEST_F(ModelFsTest, ARemovedModelGoesAndItsOpenFilesStay) {
  const RefRecord kept = add("o/kept", {{"f", "kept"}});
  const RefRecord gone = add("p/gone", {{"f", "still readable"}});
  ModelFs fs(tree_of({kept, gone}), {blobs_}, {}, log_);
  const Ino org = walk(fs, "p");
  const Ino model = walk(fs, "p/gone");
  const Ino file = walk(fs, "p/gone/f");
  ASSERT_TRUE(open(fs, file, O_RDONLY));
  fs.replace(tree_of({kept}));
  blobs_.remove(base::Sha256::of(std::string_view("still readable")));
  EXPECT_EQ(walk(fs, "p"), 0u);
  EXPECT_EQ(fs.lookup(org, "gone").error().value, ENOENT);
  EXPECT_THAT(list(fs, org), IsEmpty());
  EXPECT_EQ(read(fs, file, 0, 100), "still readable");
  EXPECT_TRUE(fs.getattr(file)) << "fstat of an open file goes on";
  EXPECT_NE(fs.lookup(model, "f")->node, nullptr)
      << "a directory that is somebody's cwd stays whole";
  EXPECT_NE(walk(fs, "o/kept/f"), 0u);
}

TEST_F(ModelFsTest, ANewRevisionKeepsTheIdsOfUnchangedFiles) {
  ModelFs fs(tree_of({add("o/m", {{"same", "1"}, {"other", "2"}})}), {blobs_}, {}, log_);
  const Ino model = walk(fs, "o/m");
  const Ino same = walk(fs, "o/m/same");
  const Ino other = walk(fs, "o/m/other");
  fs.replace(tree_of({add("o/m", {{"same", "1"}, {"other", "3"}}, 9)}));
  EXPECT_NE(walk(fs, "o/m"), model);
  EXPECT_EQ(walk(fs, "o/m/same"), same);
  EXPECT_NE(walk(fs, "o/m/other"), other);
  EXPECT_EQ(fs.stat_of(*fs.getattr(same)->node).st_mtim.tv_sec, 9);
  EXPECT_NE(fs.lookup(model, "other")->node->ino(), walk(fs, "o/m/other"));
}

TEST_F(ModelFsTest, AListingIsOneMomentUntilItIsRewound) {
  const RefRecord a = add("o/a", {{"f", "x"}});
  const RefRecord b = add("o/b", {{"f", "x"}});
  ModelFs fs(tree_of({a, b}), {blobs_}, {}, log_);
  const Ino org = walk(fs, "o");
  const auto opened = fs.opendir(org);
  EXPECT_EQ(fs.list(opened->handle, org, 0)->children->size(), 2u);
  fs.replace(tree_of({a}));
  EXPECT_EQ(fs.list(opened->handle, org, 1)->children->size(), 2u);
  EXPECT_EQ(fs.list(opened->handle, org, 0)->children->size(), 1u);
  EXPECT_EQ(fs.list(opened->handle, org, 1)->children->size(), 1u);
}

TEST_F(ModelFsTest, TwoContentsOfOneIdAreNeverMixed) {
  const NodePtr one = Node::file({50, 1, "one", 0}, make_text("1"), 1);
  const NodePtr two = Node::file({50, 1, "two", 0}, make_text("2"), 1);
  const auto root =
      Node::directory({kRootIno, kRootIno, "", 0}, Lifetime::kFollowsRefs, {one, two});
  ModelFs fs(std::make_shared<const Tree>(root), {blobs_}, {}, log_);
  ASSERT_TRUE(fs.lookup(kRootIno, "one"));
  EXPECT_EQ(fs.lookup(kRootIno, "two").error().value, EIO);
  EXPECT_THAT(log_.text(), HasSubstr("node id 50"));
}

// A model of what the mount must do, driven by random operations: look-ups of live and dead names,
// opens, reads, forgets, and trees that come and go.
TEST_F(ModelFsTest, AgreesWithAReferenceModel) {
  std::mt19937 random(20240607);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::vector<std::map<std::string, std::string>> versions;  // path -> bytes, one for each tree
  std::vector<TreePtr> trees;
  for (int v = 0; v < 4; ++v) {
    std::map<std::string, std::string> all;
    std::vector<RefRecord> records;
    for (int m = 0; m < 5; ++m) {
      if (pick(4) == 0) continue;
      const std::string name = "o" + std::to_string(m % 2) + "/m" + std::to_string(m);
      testing::Files files;
      for (std::size_t f = 0, count = 1 + pick(5); f < count; ++f) {
        const std::string path = (f % 2 != 0 ? "d/f" : "f") + std::to_string(f);
        files.emplace_back(path, std::string(pick(3000), static_cast<char>('a' + pick(26))));
        all[name + "/" + path] = files.back().second;
      }
      records.push_back(add(name, files, v));
    }
    versions.push_back(all);
    trees.push_back(tree_of(records));
  }
  std::size_t now = 0;
  ModelFs fs(trees[now], {blobs_}, {}, log_);
  std::vector<std::pair<Ino, std::string>> held;  // with the bytes that they must keep
  for (int step = 0; step < 20000; ++step) {
    switch (pick(6)) {
      case 0:
        if (pick(10) == 0) fs.replace(trees[now = pick(trees.size())]);
        break;
      case 1:
      case 2: {
        const auto& from = versions[pick(versions.size())];
        if (from.empty()) break;
        const std::string path =
            std::next(from.begin(), static_cast<long>(pick(from.size())))->first;
        const Ino ino = walk(fs, path);
        const auto expected = versions[now].find(path);
        ASSERT_EQ(ino != 0, expected != versions[now].end()) << path;
        if (ino == 0) break;
        ASSERT_EQ(fs.getattr(ino)->node->size(), expected->second.size());
        ASSERT_TRUE(open(fs, ino, O_RDONLY));
        held.emplace_back(ino, expected->second);
        break;
      }
      case 3:
      case 4: {
        if (held.empty()) break;
        const auto& [ino, bytes] = held[pick(held.size())];
        const std::size_t offset = pick(3200);
        const std::size_t size = 1 + pick(1000);
        ASSERT_EQ(read(fs, ino, offset, size),
                  offset < bytes.size() ? bytes.substr(offset, size) : std::string());
        break;
      }
      default:
        if (held.size() < 20) break;
        fs.release(held.back().first);
        held.pop_back();
    }
  }
  for (const auto& [ino, bytes] : held) fs.release(ino);
  EXPECT_EQ(fs.open_files(), 0u);
}

TEST_F(ModelFsTest, ManyThreadsWhileTheTreeChanges) {
  const RefRecord stays = add("o/stays", {{"f", "constant"}});
  const RefRecord comes = add("o/comes", {{"f", "fleeting"}});
  const TreePtr with = tree_of({stays, comes});
  const TreePtr without = tree_of({stays});
  ModelFs fs(with, {blobs_}, {}, log_);
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 2000; ++i) {
          for (const char* path : {"o/stays/f", "o/comes/f"}) {
            const Ino ino = walk(fs, path);
            if (ino == 0) continue;
            if (open(fs, ino, O_RDONLY)) {
              if (read(fs, ino, 0, 8).size() != 8) ++wrong;
              fs.release(ino);
            }
            fs.forget(ino, 1);
          }
        }
      });
    }
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) fs.replace(i % 2 == 0 ? without : with);
    });
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(fs.open_files(), 0u);
}

}  // namespace
}  // namespace castool::fusefs
