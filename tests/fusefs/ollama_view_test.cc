#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/blob_filler.h"
#include "fusefs/fakes.h"
#include "fusefs/views/view.h"

namespace castool::fusefs {
namespace {

using manifest::RefRecord;
using ::testing::ElementsAre;
using testing::FakeManifests;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class OllamaView : public ::testing::Test {
 protected:
  RefRecord model(const std::string& name, const std::string& gguf) {
    const std::string bytes = testing::ollama_manifest_bytes("{}", testing::kGgufLayer, gguf);
    return testing::ollama_record(name, "ollama://" + name, manifests_->put(bytes));
  }
  View view(const std::vector<RefRecord>& records, const Tree* previous = nullptr) {
    return make_view(Layout::kOllama, {records, previous, manifests_});
  }
  static std::vector<std::string> list(const Tree& tree, std::string_view path) {
    std::vector<std::string> names;
    const NodePtr node = *tree.find(path);
    for (const NodePtr& child : **node->children()) names.push_back(child->name());
    return names;
  }
  static std::string blob_name(std::string_view bytes) {
    return "sha256-" + base::Sha256::of(bytes).hex();
  }

  std::shared_ptr<FakeManifests> manifests_ = std::make_shared<FakeManifests>();
};

TEST_F(OllamaView, BothDirectoriesAreAlwaysThere) {
  const View empty = view({});
  EXPECT_THAT(list(*empty.tree, ""), ElementsAre("blobs", "manifests"));
  EXPECT_THAT(list(*empty.tree, "blobs"), IsEmpty());
  EXPECT_THAT(list(*empty.tree, "manifests"), IsEmpty());
}

TEST_F(OllamaView, ManifestsAndTheirBlobs) {
  const RefRecord one = model("m:t", "GGUF-1");
  const View shown =
      view({one, model("ns/other:latest", "GGUF-1"), model("hf.co/u/r:Q4", "GGUF-2")});
  const NodePtr node = *shown.tree->find("manifests/registry.ollama.ai/library/m/t");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(digest_of(node->content()), one.manifest);
  EXPECT_EQ(node->size(), (*manifests_->load(one.manifest, 1 << 20)).size());
  EXPECT_NE(*shown.tree->find("manifests/registry.ollama.ai/ns/other/latest"), nullptr);
  EXPECT_NE(*shown.tree->find("manifests/hf.co/u/r/Q4"), nullptr);
  EXPECT_THAT(
      list(*shown.tree, "blobs"),
      ::testing::UnorderedElementsAre(blob_name("{}"), blob_name("GGUF-1"), blob_name("GGUF-2")));
  EXPECT_EQ((*shown.tree->find("blobs/" + blob_name("GGUF-1")))->size(), 6u);
}

TEST_F(OllamaView, ABlobSaysThroughWhichModelItCanBeHad) {
  RefRecord partial = model("m:t", "GGUF-1");
  partial.state = manifest::RefState::kPartial;
  const View shown = view({partial, model("n:t", "GGUF-1")});
  const NodePtr blob = *shown.tree->find("blobs/" + blob_name("GGUF-1"));
  EXPECT_EQ(std::get<BlobContent>(blob->content()).home->name, "m:t");
  EXPECT_EQ(blob->size(), 6u);
}

TEST_F(OllamaView, ParsesNothingBeforeBlobsAreLookedAt) {
  const RefRecord one = model("m:t", "GGUF-1");
  const View shown = view({one});
  EXPECT_EQ(manifests_->loads(), 0);
  EXPECT_EQ(manifests_->sizes(), 1);
  const View again = view({one}, shown.tree.get());
  EXPECT_EQ(manifests_->sizes(), 1) << "a known manifest is not asked for again";
  EXPECT_EQ((*again.tree->find("blobs"))->ino(), (*shown.tree->find("blobs"))->ino());
}

TEST_F(OllamaView, HubModelsAndLostManifestsAreLeftOutWhole) {
  RefRecord lost = model("lost:t", "GGUF-9");
  manifests_->remove(lost.manifest);
  const View shown = view({lost, testing::hub_record("org/hub", {}), model("m:t", "GGUF-1")});
  EXPECT_THAT(shown.problems, ElementsAre(HasSubstr("lost:t")));
  EXPECT_THAT(list(*shown.tree, "manifests/registry.ollama.ai/library"), ElementsAre("m"));
  EXPECT_THAT(list(*shown.tree, "manifests"), ElementsAre("registry.ollama.ai"));
  EXPECT_THAT(list(*shown.tree, "blobs"), SizeIs(2));
}

}  // namespace
}  // namespace castool::fusefs
