// Pages of a repository's tree.
#include "api/origin_json.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace castool::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

manifest::HubManifest repository() {
  manifest::HubManifest hub;
  hub.repo = "acme/pets";
  hub.commit = std::string(40, 'a');
  for (const char* path : {"a.txt", "d/e/f.txt", "d/g.txt", "dd.txt"}) {
    manifest::FileEntry file;
    file.path = path;
    file.size = 1;
    hub.files.push_back(file);
  }
  return hub;
}

std::vector<std::string> paths_of(const TreePage& page) {
  std::vector<std::string> paths;
  for (const auto& entry : nlohmann::json::parse(page.body)) paths.push_back(entry["path"]);
  return paths;
}

TEST(TreePage, HasTheFirstLevelOrAll) {
  const auto hub = repository();
  EXPECT_THAT(paths_of(tree_page(hub, Recursive::kNo, {})), ElementsAre("a.txt", "d", "dd.txt"));
  EXPECT_THAT(paths_of(tree_page(hub, Recursive::kYes, {})),
              ElementsAre("a.txt", "d", "d/e", "d/e/f.txt", "d/g.txt", "dd.txt"));
  EXPECT_THAT(paths_of(tree_page(hub, Recursive::kNo, {"d"})), ElementsAre("d/e", "d/g.txt"));
  EXPECT_THAT(paths_of(tree_page(hub, Recursive::kYes, {"d/e"})), ElementsAre("d/e/f.txt"));
  EXPECT_TRUE(tree_page(hub, Recursive::kNo, {"d"}).known);
  EXPECT_FALSE(tree_page(hub, Recursive::kNo, {"nowhere"}).known);
  EXPECT_FALSE(tree_page(hub, Recursive::kNo, {"a.txt"}).known);
}

TEST(TreePage, ComesInPages) {
  const auto hub = repository();
  std::vector<std::string> all;
  TreePlace place{"", 0, 4};
  const TreePage first = tree_page(hub, Recursive::kYes, place);
  EXPECT_EQ(first.next, 4u);
  EXPECT_THAT(paths_of(first), ElementsAre("a.txt", "d", "d/e", "d/e/f.txt"));
  place.first = first.next;
  const TreePage second = tree_page(hub, Recursive::kYes, place);
  EXPECT_EQ(second.next, 0u);
  EXPECT_THAT(paths_of(second), ElementsAre("d/g.txt", "dd.txt"));
  place.first = 6;
  EXPECT_THAT(paths_of(tree_page(hub, Recursive::kYes, place)), IsEmpty());
  place.first = 1'000'000;
  EXPECT_EQ(tree_page(hub, Recursive::kYes, place).next, 0u);
}

}  // namespace
}  // namespace castool::api
