// graph.pbtxt as OVMS rewrites it, and the layer that keeps what it wrote.
#include "fusefs/graph_files.h"

#include <fcntl.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/model_fs_fixture.h"
#include "fusefs/mount_fixture.h"
#include "tests/support/fault_file_ops.h"

namespace castool::fusefs {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

base::Digest digest(std::string_view text) { return base::Sha256::of(text); }

std::string text_of(const std::optional<Upper::Cover>& cover) {
  return cover ? *cover->text : "nothing";
}

TEST(Upper, ACoverLiesOverOneText) {
  Upper upper;
  EXPECT_EQ(text_of(upper.find("o/m", digest("made"))), "nothing");
  ASSERT_TRUE(upper.put("o/m", digest("made"), "written"));
  EXPECT_EQ(text_of(upper.find("o/m", digest("made"))), "written");
  EXPECT_GT(upper.find("o/m", digest("made"))->mtime, 0);
  EXPECT_EQ(text_of(upper.find("o/other", digest("made"))), "nothing");
  EXPECT_EQ(text_of(upper.find("o/m", digest("made of other options"))), "nothing");
  ASSERT_TRUE(upper.put("o/m", digest("made of other options"), "again"));
  EXPECT_EQ(text_of(upper.find("o/m", digest("made"))), "nothing") << "one cover a place";
}

TEST(Upper, IsBounded) {
  Upper upper;
  const std::string most(Upper::kMaxText, 'x');
  EXPECT_EQ(upper.put("o/m", digest(""), most + "x").error().code, base::Code::kNoSpace);
  const std::size_t fit = Upper::kMaxTotal / Upper::kMaxText;
  for (std::size_t i = 0; i < fit; ++i)
    ASSERT_TRUE(upper.put("o/" + std::to_string(i), digest(""), most));
  EXPECT_EQ(upper.put("o/m", digest(""), "x").error().code, base::Code::kNoSpace);
  EXPECT_EQ(text_of(upper.find("o/m", digest(""))), "nothing");
  EXPECT_TRUE(upper.put("o/0", digest(""), most)) << "in the place of what was there";
  ASSERT_TRUE(upper.put("o/0", digest(""), "short"));
  EXPECT_TRUE(upper.put("o/m", digest(""), "x"));
}

TEST(Upper, WhatIsTakenOverCounts) {
  const auto most = std::make_shared<const std::string>(Upper::kMaxText, 'x');
  const auto few = std::make_shared<const std::string>("few");
  const auto covers = [](const std::shared_ptr<const std::string>& text) {
    std::vector<Upper::Placed> all;
    for (std::size_t i = 0; i < Upper::kMaxTotal / Upper::kMaxText; ++i)
      all.push_back({"o/" + std::to_string(i), digest(""), {text, 1}});
    return all;
  };
  Upper upper;
  upper.adopt(covers(most));
  EXPECT_EQ(upper.put("o/m", digest(""), "x").error().code, base::Code::kNoSpace);
  upper.adopt(covers(few));
  EXPECT_TRUE(upper.put("o/m", digest(""), *most));
}

class UpperDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "castool-upper-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    top_ = pattern;
  }
  void TearDown() override { fs::remove_all(top_); }
  std::unique_ptr<Upper> open(base::FileOps& files) {
    auto opened = Upper::open(top_ / "upper", files, log_);
    EXPECT_TRUE(opened) << opened.error().text();
    return opened ? *std::move(opened) : nullptr;
  }
  fs::path top_;
  base::SystemFileOps files_;
  testing::RecordingLog log_;
};

TEST_F(UpperDirectoryTest, KeepsWhatWasWritten) {
  auto upper = open(files_);
  ASSERT_TRUE(upper->put("host:1/ns/m:t", digest("a"), "written"));
  ASSERT_TRUE(upper->put("o/m", digest("a"), "old"));
  ASSERT_TRUE(upper->put("o/m", digest("b"), "new"));
  const std::int64_t when = upper->find("o/m", digest("b"))->mtime;
  const auto other = Upper::open(top_ / "upper", files_, log_, std::chrono::milliseconds(0));
  ASSERT_FALSE(other) << "two mounts would not see each other's writes";
  EXPECT_EQ(other.error().code, base::Code::kBusy);
  upper.reset();
  std::ofstream(top_ / "upper/o/m/notes.txt") << "somebody's";
  fs::create_symlink("/etc/hostname", top_ / ("upper/o/graph.pbtxt." + digest("c").hex()));
  upper = open(files_);
  EXPECT_EQ(text_of(upper->find("host:1/ns/m:t", digest("a"))), "written");
  EXPECT_EQ(text_of(upper->find("o/m", digest("a"))), "nothing");
  EXPECT_EQ(text_of(upper->find("o/m", digest("b"))), "new");
  EXPECT_NEAR(static_cast<double>(upper->find("o/m", digest("b"))->mtime),
              static_cast<double>(when), 60);
  EXPECT_EQ(text_of(upper->find("o", digest("c"))), "nothing") << "no way out of the directory";
}

TEST_F(UpperDirectoryTest, AFailedWriteChangesNothing) {
  for (std::uint64_t nth = 1;; ++nth) {
    fs::remove_all(top_ / "upper");
    castool::testing::FaultFileOps faulty(files_);
    {
      auto upper = open(faulty);
      ASSERT_TRUE(upper->put("o/m", digest("a"), "before"));
      faulty.set_fault({nth, ENOSPC});
      const base::Status put = upper->put("o/m", digest("a"), "after");
      if (put) {
        EXPECT_GT(nth, 5u) << "directories, open, write, sync, rename, sync";
        return;
      }
      const std::string now = text_of(upper->find("o/m", digest("a")));
      EXPECT_EQ(now, "before") << nth;
    }
    const std::string later = text_of(open(files_)->find("o/m", digest("a")));
    EXPECT_TRUE(later == "before" || later == "after") << nth << " " << later;
  }
}

TEST_F(UpperDirectoryTest, WhatWasWrittenLastsBeforeAndAfterItHasItsName) {
  castool::testing::FaultFileOps watched(files_);
  auto upper = open(watched);
  static_cast<void>(watched.take_calls());
  ASSERT_TRUE(upper->put("m", digest("a"), "text"));
  std::string order;
  for (const std::string& call : watched.take_calls()) {
    for (const char* step : {"sync directory", "rename", "sync"}) {
      if (!call.starts_with(step)) continue;
      order += std::string(step) + ", ";
      break;
    }
  }
  EXPECT_EQ(order, "sync, rename, sync directory, ");
}

TEST_F(UpperDirectoryTest, OfTwoCoversTheNewerOneLies) {
  const auto file = [this](const char* covered) {
    return top_ / ("upper/o/m/graph.pbtxt." + digest(covered).hex());
  };
  auto upper = open(files_);
  ASSERT_TRUE(upper->put("o/m", digest("a"), "of a"));
  ASSERT_TRUE(upper->put("o/m", digest("b"), "of b"));
  EXPECT_FALSE(fs::exists(file("a"))) << "it covers nothing any more";
  // As after a crash in between, whatever the order of the listing.
  for (const auto& [newer, older] : {std::pair("a", "b"), std::pair("b", "a")}) {
    upper.reset();
    std::ofstream(file(newer)) << "of " << newer;
    std::ofstream(file(older)) << "of " << older;
    const auto now = fs::file_time_type::clock::now();
    fs::last_write_time(file(newer), now);
    fs::last_write_time(file(older), now - std::chrono::hours(1));
    upper = open(files_);
    EXPECT_EQ(text_of(upper->find("o/m", digest(newer))), std::string("of ") + newer);
    EXPECT_EQ(text_of(upper->find("o/m", digest(older))), "nothing");
  }
}

TEST_F(UpperDirectoryTest, WhatIsThereCounts) {
  const auto file = [this](const std::string& place, std::size_t size) {
    fs::create_directories(top_ / "upper" / place);
    const fs::path path = top_ / "upper" / place / ("graph.pbtxt." + digest("a").hex());
    std::ofstream(path) << "";
    fs::resize_file(path, size);
  };
  const std::size_t fit = Upper::kMaxTotal / Upper::kMaxText;
  for (std::size_t i = 0; i < fit; ++i) file("o/" + std::to_string(i), Upper::kMaxText);
  auto upper = open(files_);
  EXPECT_EQ(upper->put("o/m", digest(""), "x").error().code, base::Code::kNoSpace);
  EXPECT_TRUE(upper->put("o/0", digest("a"), ""));
  EXPECT_TRUE(upper->put("o/m", digest(""), "x"));
  upper.reset();
  // More than there may be: somebody else put it there.
  file("o/0", Upper::kMaxText);
  upper = open(files_);
  EXPECT_EQ(upper->all().size(), fit) << "one of the large ones is left out";
}

class GraphFilesTest : public testing::ModelFsTest {
 protected:
  ModelFs make_fs() { return ModelFs(tree_of({with_, without_, own_}), {blobs_}, {}, log_); }
  static std::string graph_of(ModelFs& fs, NodeId id) {
    const auto handle = fs.open_graph(id, O_RDONLY);
    if (!handle) return "errno " + std::to_string(handle.error().value);
    if (!*handle) return "no graph";
    const auto text = fs.graphs().read(**handle, 0, 100'000);
    fs.graphs().release(**handle);
    return *text;
  }
  static int write_anew(ModelFs& fs, NodeId id, std::string_view text) {
    const auto handle = fs.open_graph(id, O_WRONLY | O_TRUNC);
    if (!handle) return handle.error().value;
    const auto written = fs.graphs().write(**handle, 0, {text.data(), text.size()});
    const auto flushed = fs.graphs().flush(**handle);
    fs.graphs().release(**handle);
    return !written ? written.error().value : !flushed ? flushed.error().value : 0;
  }

  manifest::RefRecord with_ = [this] {
    auto record = add("o/with", {{"openvino_model.xml", "x"}});
    record.task = "text_generation";
    return record;
  }();
  manifest::RefRecord without_ = add("o/without", {{"f", "x"}});
  manifest::RefRecord own_ = add("o/own", {{"graph.pbtxt", "node{}"}, {"d/graph.pbtxt", "x"}});
};

TEST_F(GraphFilesTest, WhatCouldNotBePutAwayIsTriedAgain) {
  std::string place = (fs::temp_directory_path() / "castool-upper-XXXXXX").string();
  ASSERT_NE(::mkdtemp(place.data()), nullptr);
  base::SystemFileOps system;
  castool::testing::FaultFileOps faulty(system);
  auto upper = Upper::open(place, faulty, log_);
  ASSERT_TRUE(upper);
  GraphFiles graphs(**upper, log_);
  const TreePtr tree = tree_of({with_});
  const auto graph = tree->find("o/with/graph.pbtxt");
  ASSERT_TRUE(graph && *graph);
  const auto handle = graphs.open(**graph, GraphFiles::For::kWritingAnew);
  ASSERT_TRUE(handle && graphs.write(*handle, 0, {"text", 4}));
  faulty.set_fault({1, ENOSPC, castool::testing::Repeat::kOnce, castool::testing::FileOp::kWrite});
  const auto failed = graphs.flush(*handle);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().value, ENOSPC);
  EXPECT_TRUE(graphs.flush(*handle));
  EXPECT_EQ(text_of(graphs.now(**graph)), "text");
  // A writer who closes all the same has written nothing.
  const auto other = graphs.open(**graph, GraphFiles::For::kWritingAnew);
  ASSERT_TRUE(other && graphs.write(*other, 0, {"lost", 4}));
  faulty.set_fault({1, EIO, castool::testing::Repeat::kOnce, castool::testing::FileOp::kSync});
  EXPECT_EQ(graphs.flush(*other).error().value, EIO);
  graphs.release(*other);
  graphs.release(*handle);
  EXPECT_EQ(graphs.size(), 0u);
  EXPECT_EQ(text_of(graphs.now(**graph)), "text");
  std::size_t left = 0;
  for (const auto& entry : fs::recursive_directory_iterator(place))
    left += entry.is_regular_file() ? 1u : 0u;
  EXPECT_EQ(left, 1u) << "the text that lies over the model's, and nothing half written";
  fs::remove_all(place);
}

TEST_F(GraphFilesTest, IsReadAndWrittenAnew) {
  ModelFs fs = make_fs();
  const NodeId id = walk(fs, "o/with/graph.pbtxt");
  const std::string made = graph_of(fs, id);
  EXPECT_THAT(made, HasSubstr("HttpLLMCalculator"));
  const auto before = fs.stat_of(*fs.getattr(id)->node);
  EXPECT_EQ(before.st_mode, static_cast<mode_t>(S_IFREG | 0644));
  EXPECT_EQ(before.st_size, static_cast<off_t>(made.size()));
  EXPECT_EQ(fs.getattr(id)->attr_seconds, 0) << "it may change at any moment";

  const auto reader = fs.open_graph(id, O_RDONLY);
  const auto writer = fs.open_graph(id, O_WRONLY | O_TRUNC | O_CREAT);
  ASSERT_TRUE(writer && *writer);
  EXPECT_EQ(*fs.graphs().write(**writer, 0, std::span("node: ", 6)), 6u);
  EXPECT_EQ(*fs.graphs().write(**writer, 6, std::span("{}\n", 3)), 3u);
  EXPECT_EQ(graph_of(fs, id), made) << "whole or not at all";
  ASSERT_TRUE(fs.graphs().flush(**writer));
  EXPECT_EQ(graph_of(fs, id), "node: {}\n");
  EXPECT_EQ(*fs.graphs().read(**reader, 0, 100'000), made) << "as it was when it was opened";
  EXPECT_EQ(fs.graphs().read(**writer, 0, 1).error().value, EBADF);
  EXPECT_EQ(fs.graphs().write(**reader, 0, std::span("x", 1)).error().value, EBADF);
  const auto after = fs.stat_of(*fs.getattr(id)->node);
  EXPECT_EQ(after.st_size, 9);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(*fs.getxattr(id, "user.castool.sha256"), digest("node: {}\n").hex());
  EXPECT_EQ(*fs.getxattr(id, "user.castool.present"), "9");
  fs.graphs().release(**reader);
  fs.graphs().release(**writer);
  EXPECT_EQ(fs.graphs().size(), 0u);
}

TEST_F(GraphFilesTest, TheRepositorysOwnIsWrittenOverToo) {
  manifests_->put("node{}");
  ModelFs fs = make_fs();
  const NodeId id = walk(fs, "o/own/graph.pbtxt");
  EXPECT_EQ(graph_of(fs, id), "node{}");
  EXPECT_EQ(write_anew(fs, id, "other"), 0);
  EXPECT_EQ(graph_of(fs, id), "other");
  EXPECT_EQ(graph_of(fs, walk(fs, "o/own/d/graph.pbtxt")), "no graph") << "only the model's own";
}

TEST_F(GraphFilesTest, IsMadeWhereThereIsNone) {
  ModelFs fs = make_fs();
  const Ino directory = walk(fs, "o/without");
  EXPECT_THAT(list(fs, directory), Not(Contains("graph.pbtxt")));
  EXPECT_EQ(fs.lookup(directory, "graph.pbtxt")->node, nullptr);
  for (const char* name : {"other.pbtxt", "graph.pbtxt2", "f"})
    EXPECT_EQ(fs.create(directory, name, O_WRONLY | O_CREAT).error().value, EROFS) << name;
  EXPECT_EQ(fs.create(walk(fs, "o"), "graph.pbtxt", O_WRONLY | O_CREAT).error().value, EROFS);
  EXPECT_EQ(fs.create(kRootIno, "graph.pbtxt", O_WRONLY | O_CREAT).error().value, EROFS);
  EXPECT_EQ(fs.create(directory, "graph.pbtxt", O_RDWR | O_CREAT).error().value, EROFS);
  const auto created = fs.create(directory, "graph.pbtxt", O_WRONLY | O_CREAT | O_TRUNC);
  ASSERT_TRUE(created);
  EXPECT_EQ(fs.stat_of(*created->entry.node).st_size, 0);
  ASSERT_TRUE(fs.graphs().write(created->handle, 0, std::span("made", 4)));
  ASSERT_TRUE(fs.graphs().flush(created->handle));
  fs.graphs().release(created->handle);
  EXPECT_THAT(list(fs, directory), Contains("graph.pbtxt"));
  EXPECT_EQ(graph_of(fs, created->entry.id), "made");
  EXPECT_EQ(fs.create(directory, "graph.pbtxt", O_WRONLY | O_CREAT | O_EXCL).error().value, EEXIST);
}

TEST_F(GraphFilesTest, EveryOtherWayToWriteIsRefused) {
  ModelFs fs = make_fs();
  const NodeId id = walk(fs, "o/with/graph.pbtxt");
  for (const int flags : {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDWR | O_TRUNC,
                          O_RDONLY | O_TRUNC, O_RDWR | O_APPEND})
    EXPECT_EQ(fs.open_graph(id, flags).error().value, EROFS) << flags;
  const std::string large(Upper::kMaxText + 1, 'x');
  EXPECT_EQ(write_anew(fs, id, large), EFBIG);
  const auto writer = fs.open_graph(id, O_WRONLY | O_TRUNC);
  EXPECT_EQ(fs.graphs().write(**writer, UINT64_MAX, std::span("x", 1)).error().value, EFBIG);
  fs.graphs().release(**writer);
}

TEST_F(GraphFilesTest, OtherOptionsWinOverWhatWasWritten) {
  ModelFs fs = make_fs();
  ASSERT_EQ(write_anew(fs, walk(fs, "o/with/graph.pbtxt"), "written"), 0);
  with_.options["max_num_seqs"] = "7";
  fs.replace(tree_of({with_}));
  EXPECT_THAT(graph_of(fs, walk(fs, "o/with/graph.pbtxt")), HasSubstr("max_num_seqs: 7"));
}

}  // namespace
}  // namespace castool::fusefs
