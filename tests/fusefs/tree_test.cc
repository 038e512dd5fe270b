#include "fusefs/tree.h"

#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"

namespace castool::fusefs {
namespace {

using ::testing::ElementsAre;

FlatFile flat(const std::string& path, std::string_view bytes) {
  return {path, BlobContent{base::Sha256::of(bytes)}, bytes.size()};
}

std::vector<std::string> names(const Children& children) {
  std::vector<std::string> all;
  for (const NodePtr& child : children) all.push_back(child->name());
  return all;
}

FixedPlace place(std::string key = "k", std::int64_t mtime = 7) {
  return {"ovms", "org/model", std::move(key), 99, mtime};
}

NodePtr directory_of(Children children) {
  return Node::directory({5, 1, "d", 0}, Lifetime::kFixed, std::move(children));
}

TEST(FixedChildren, NestsAndSortsByName) {
  const auto children = fixed_children(
      place(), {flat("b/x", "1"), flat("a.txt", "2"), flat("b/c/y", "3"), flat("b-1", "4")});
  ASSERT_TRUE(children);
  const NodePtr top = directory_of(*children);
  ASSERT_THAT(names(**top->children()), ElementsAre("a.txt", "b", "b-1"));
  const NodePtr b = *top->child("b");
  EXPECT_TRUE(b->is_directory());
  EXPECT_EQ(b->parent(), 99u);
  EXPECT_THAT(names(**b->children()), ElementsAre("c", "x"));
  EXPECT_EQ((*b->child("x"))->parent(), b->ino());
  EXPECT_EQ((*b->child("x"))->size(), 1u);
  EXPECT_EQ((*b->child("x"))->mtime(), 7);
  EXPECT_EQ(*b->child("nothing"), nullptr);
}

TEST(FixedChildren, RefusesWhatIsNoName) {
  const std::vector<std::vector<FlatFile>> bad = {
      {flat("a", "1"), flat("a/b", "2")},
      {flat("a", "1"), flat("a", "2")},
      {flat("a//b", "1")},
      {flat("/a", "1")},
      {flat("a/", "1")},
      {flat("..", "1")},
      {flat("x/../y", "1")},
      {flat(".", "1")},
      {flat("", "1")},
      {flat(std::string("a\0b", 3), "1")},
      {flat(std::string(256, 'n'), "1")},
  };
  for (const auto& files : bad) {
    EXPECT_FALSE(fixed_children(place(), files)) << files.back().path;
  }
  EXPECT_TRUE(fixed_children(place(), {flat(std::string(255, 'n'), "1")}));
}

TEST(FixedChildren, IdsComeFromPathAndContent) {
  const auto ids = [](const FixedPlace& at, std::string_view bytes) {
    const auto children = fixed_children(at, {flat("dir/file", bytes)});
    const NodePtr dir = children->front();
    return std::pair(dir->ino(), (*dir->child("file"))->ino());
  };
  const auto base = ids(place(), "x");
  EXPECT_EQ(ids(place("k", 8), "x"), base) << "the same tree made again has the same ids";
  const auto revised = ids(place("other"), "x");
  EXPECT_NE(revised.first, base.first) << "a directory is of one revision";
  EXPECT_EQ(revised.second, base.second) << "a file that did not change keeps its cached pages";
  EXPECT_NE(ids(place(), "y").second, base.second);
  FixedPlace elsewhere = place();
  elsewhere.at = "org/other";
  EXPECT_NE(ids(elsewhere, "x").second, base.second);
  elsewhere = place();
  elsewhere.layout = "ollama";
  EXPECT_NE(ids(elsewhere, "x").second, base.second);
}

TEST(InoMaker, NeverGivesReservedOrTakenIds) {
  InoMaker maker("ovms");
  std::set<Ino> seen;
  for (int i = 0; i < 5000; ++i) {
    const Ino ino = maker.make("p" + std::to_string(i), "dir");
    EXPECT_GT(ino, kRootIno);
    EXPECT_LT(ino, Ino{1} << 63);
    EXPECT_TRUE(seen.insert(ino).second);
  }
  // The same thing asked for twice collides with itself: the second is hashed again, and each maker
  // goes the same way.
  const Ino first = maker.make("same", "dir");
  const Ino second = maker.make("same", "dir");
  EXPECT_NE(first, second);
  InoMaker other("ovms");
  EXPECT_EQ(other.make("same", "dir"), first);
  EXPECT_EQ(other.make("same", "dir"), second);
}

TEST(LazyDirectory, ExpandsOnceAndTriesAgainAfterFailure) {
  int calls = 0;
  const NodePtr node =
      Node::lazy_directory({5, 1, "d", 0}, Lifetime::kFixed, [&calls]() -> base::Result<Children> {
        if (++calls == 1) return base::make_error(base::Code::kIo, "disk");
        return Children{Node::file({7, 5, "f", 0}, make_text("t"), 1)};
      });
  EXPECT_EQ(calls, 0);
  EXPECT_FALSE(node->children());
  ASSERT_TRUE(node->children());
  const Children* first = *node->children();
  EXPECT_EQ(*node->children(), first);
  EXPECT_EQ(calls, 2);
}

TEST(LazyDirectory, ManyThreadsSeeOneResult) {
  const NodePtr node =
      Node::lazy_directory({5, 1, "d", 0}, Lifetime::kFixed, []() -> base::Result<Children> {
        return Children{Node::file({7, 5, "f", 0}, make_text("t"), 1)};
      });
  std::vector<const Children*> seen(8);
  {
    std::vector<std::jthread> threads;
    for (auto& slot : seen) threads.emplace_back([&slot, &node] { slot = *node->children(); });
  }
  for (const Children* children : seen) EXPECT_EQ(children, seen.front());
}

TEST(TreeBuilder, MakesDirectoriesAndFindsThem) {
  TreeBuilder builder("ovms", 42);
  builder.add_directory("empty");
  const auto leaf = [](Ino parent, std::string name) {
    return Node::file({1000 + name.size(), parent, std::move(name), 1}, make_text("t"), 1);
  };
  builder.add("a/b/leaf", leaf);
  builder.add("top", leaf);
  const TreePtr tree = builder.build();
  EXPECT_EQ(tree->root()->ino(), kRootIno);
  EXPECT_THAT(names(**tree->root()->children()), ElementsAre("a", "empty", "top"));
  const NodePtr b = *tree->find("a/b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->lifetime(), Lifetime::kFollowsRefs);
  EXPECT_EQ(tree->following(b->ino()), b);
  EXPECT_EQ(tree->following(kRootIno), tree->root());
  EXPECT_EQ((*tree->find("a/b/leaf"))->parent(), b->ino());
  EXPECT_EQ(*tree->find("a/b/leaf/x"), nullptr);
  EXPECT_EQ(*tree->find("a/x"), nullptr);
  EXPECT_EQ(tree->following((*tree->find("a/b/leaf"))->ino()), nullptr);
}

}  // namespace
}  // namespace castool::fusefs
