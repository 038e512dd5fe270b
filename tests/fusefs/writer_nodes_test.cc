#include "fusefs/writer_nodes.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "fusefs/model_fs_fixture.h"

namespace castool::fusefs {
namespace {

// Keeps what was asked for until the test ends it.
class HeldPages final : public PageDropper {
 public:
  void drop_pages(NodeId id, Then then) override { asked_.emplace_back(id, std::move(then)); }
  [[nodiscard]] std::size_t asked() const { return asked_.size(); }
  void end(std::size_t which) { asked_[which].second(base::ok()); }

 private:
  std::vector<std::pair<NodeId, Then>> asked_;
};

TEST(WriterNodes, ATaskGetsANodeThatNobodyElseGets) {
  WriterNodes nodes;
  EXPECT_EQ(nodes.wanted(7, 100), 0u);
  nodes.want(7, 100);
  const NodeId id = nodes.wanted(7, 100);
  EXPECT_TRUE(is_writer(id));
  EXPECT_FALSE(is_native(id));
  EXPECT_EQ(nodes.wanted(8, 100), 0u);
  EXPECT_EQ(nodes.wanted(7, 101), 0u);
  nodes.want(7, 100);
  EXPECT_EQ(nodes.wanted(7, 100), id) << "the kernel looks up more than once";
  nodes.want(8, 100);
  EXPECT_NE(nodes.wanted(8, 100), id);
  EXPECT_TRUE(nodes.take(id));
  EXPECT_FALSE(nodes.take(id)) << "once";
  EXPECT_EQ(nodes.wanted(7, 100), 0u);
  nodes.want(7, 100);
  EXPECT_NE(nodes.wanted(7, 100), id);
}

TEST(WriterNodes, ManyWritesAreOnePurge) {
  WriterNodes nodes;
  HeldPages pages;
  const NodeId id = writer_node(1);
  nodes.purge(pages, id);
  nodes.purge(pages, id);
  nodes.purge(pages, id);
  nodes.purge(pages, writer_node(2));
  ASSERT_EQ(pages.asked(), 2u);
  pages.end(0);
  ASSERT_EQ(pages.asked(), 3u) << "what was written meanwhile";
  pages.end(2);
  EXPECT_EQ(pages.asked(), 3u);
  nodes.purge(pages, id);
  EXPECT_EQ(pages.asked(), 4u);
}

class WriterFsTest : public testing::ModelFsTest {
 protected:
  Entry look_up(pid_t task) { return *fs_.lookup(walk(fs_, "o/m"), "x.gguf", task); }

  HeldPages pages_;
  ModelFs fs_{tree_of({add("o/m", {{"x.gguf", "gguf"}, {"f", "x"}})}),
              {blobs_, nullptr, nullptr, &pages_},
              {},
              log_};
};

TEST_F(WriterFsTest, AnOpenToWriteIsSentToANodeOfItsOwn) {
  const NodeId usual = look_up(7).id;
  EXPECT_EQ(open(fs_, usual, O_RDWR | O_APPEND, 7).error().value, ESTALE);
  EXPECT_EQ(look_up(8).id, usual) << "not for others";
  const Entry own = look_up(7);
  EXPECT_TRUE(is_writer(own.id));
  EXPECT_EQ(own.entry_seconds, 0) << "not for the name";
  EXPECT_EQ(fs_.stat_of(*own.node).st_ino, usual);
  EXPECT_EQ(open(fs_, own.id, O_RDONLY, 8).error().value, ESTALE) << "nobody reads in it";
  ASSERT_TRUE(open(fs_, own.id, O_RDWR | O_APPEND, 7));
  EXPECT_EQ(open(fs_, own.id, O_RDWR, 9).error().value, ESTALE) << "nor writes";
  EXPECT_EQ(read(fs_, own.id, 0, 10), "gguf");
  EXPECT_EQ(look_up(7).id, usual);
  EXPECT_EQ(fs_.refuse_write(own.id).value, EPERM);
  EXPECT_EQ(fs_.refuse_write(usual).value, EROFS);
  fs_.purge_written(usual);
  EXPECT_EQ(pages_.asked(), 0u);
  fs_.purge_written(own.id);
  EXPECT_EQ(pages_.asked(), 1u);
  fs_.release(own.id);
}

TEST_F(WriterFsTest, OnlyAGgufAndOnlyThatWay) {
  const NodeId gguf = look_up(7).id;
  for (const int flags : {O_WRONLY, O_RDWR | O_TRUNC, O_RDONLY | O_TRUNC})
    EXPECT_EQ(open(fs_, gguf, flags, 7).error().value, EROFS) << flags;
  EXPECT_EQ(open(fs_, walk(fs_, "o/m/f"), O_RDWR, 7).error().value, EROFS);
  EXPECT_EQ(look_up(7).id, gguf) << "and nothing was remembered";
}

}  // namespace
}  // namespace castool::fusefs
