#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/fakes.h"
#include "fusefs/views/view.h"

namespace castool::fusefs {
namespace {

using ::testing::ElementsAre;
using testing::Files;

class HfView : public ::testing::Test {
 protected:
  manifest::RefRecord hub(const std::string& name, const Files& files) {
    return testing::hub_record(name, manifests_->put(testing::hub_manifest_bytes(name, files)));
  }
  View view(const std::vector<manifest::RefRecord>& records, Layout layout = Layout::kHf) {
    return make_view(layout, {records, nullptr, manifests_});
  }
  static std::vector<std::string> names(const Tree& tree, const std::string& path) {
    std::vector<std::string> all;
    const auto node = tree.find(path);
    if (!node || !*node) return {"nothing"};
    const auto children = (*node)->children();
    if (!children) return {"unreadable"};
    for (const NodePtr& child : **children) all.push_back(child->name());
    return all;
  }

  std::shared_ptr<testing::FakeManifests> manifests_ = std::make_shared<testing::FakeManifests>();
};

TEST_F(HfView, IsACacheOfHuggingfaceHub) {
  const View shown = view({hub("o/m", {{"a/b/f", "one"}, {"g", "one"}})});
  const std::string commit(40, 'c');
  const std::string etag = base::Sha256::of(std::string_view("one")).hex();
  EXPECT_THAT(names(*shown.tree, ""), ElementsAre("models--o--m"));
  EXPECT_THAT(names(*shown.tree, "models--o--m"), ElementsAre("blobs", "refs", "snapshots"));
  EXPECT_THAT(names(*shown.tree, "models--o--m/blobs"), ElementsAre(etag)) << "once";
  const auto ref = *shown.tree->find("models--o--m/refs/main");
  EXPECT_EQ(*std::get<TextContent>(ref->content()).text, commit) << "without a newline";
  const std::string snapshot = "models--o--m/snapshots/" + commit;
  EXPECT_EQ(*(*shown.tree->find(snapshot + "/g"))->link(), "../../blobs/" + etag);
  EXPECT_EQ(*(*shown.tree->find(snapshot + "/a/b/f"))->link(), "../../../../blobs/" + etag);
}

TEST_F(HfView, ARevisionStandsUnderItsName) {
  manifest::RefRecord record = hub("o/m", {{"f", "x"}});
  record.source = "hf://o/m@refs/pr/1";
  EXPECT_NE(*view({record}).tree->find("models--o--m/refs/refs/pr/1"), nullptr);
  record.source = "hf://o/m@" + std::string(40, 'c');
  EXPECT_THAT(names(*view({record}).tree, "models--o--m"), ElementsAre("blobs", "snapshots"));
}

TEST_F(HfView, RefsOfOneRepositoryShareItsDirectory) {
  const std::string old(40, 'a');
  std::string bytes = testing::hub_manifest_bytes("o/m", {{"f", "old"}, {"g", "same"}});
  const std::size_t at = bytes.find(std::string(40, 'c'));
  bytes.replace(at, old.size(), old);
  manifest::RefRecord before = testing::hub_record("before", manifests_->put(bytes));
  before.source = "hf://o/m@v1";
  manifest::RefRecord part = hub("o/m", {{"g", "same"}});
  part.name = "part";
  const View shown = view({before, hub("o/m", {{"f", "new"}, {"g", "same"}}), part});
  EXPECT_THAT(names(*shown.tree, ""), ElementsAre("models--o--m"));
  EXPECT_THAT(names(*shown.tree, "models--o--m/refs"), ElementsAre("main", "v1"));
  EXPECT_THAT(names(*shown.tree, "models--o--m/snapshots"), ElementsAre(old, std::string(40, 'c')));
  EXPECT_THAT(names(*shown.tree, "models--o--m/snapshots/" + std::string(40, 'c')),
              ElementsAre("f", "g"));
  EXPECT_THAT(names(*shown.tree, "models--o--m/blobs"), ::testing::SizeIs(3)) << "g's once";
}

TEST_F(HfView, AllHasEveryLayout) {
  EXPECT_THAT(names(*view({}, Layout::kAll).tree, ""), ElementsAre("hf", "ollama", "ovms"));
  const View shown = view({hub("o/m", {{"f", "x"}})}, Layout::kAll);
  EXPECT_NE(*shown.tree->find("ovms/o/m/f"), nullptr);
  EXPECT_NE(*shown.tree->find("ovms/config.json"), nullptr);
  EXPECT_NE(*shown.tree->find("hf/models--o--m/refs/main"), nullptr);
  EXPECT_THAT(names(*shown.tree, "ollama"), ElementsAre("blobs", "manifests"));
}

}  // namespace
}  // namespace castool::fusefs
