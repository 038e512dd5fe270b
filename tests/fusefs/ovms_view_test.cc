#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fusefs/blob_filler.h"
#include "fusefs/fakes.h"
#include "fusefs/views/view.h"

namespace castool::fusefs {
namespace {

using manifest::RefRecord;
using ::testing::ElementsAre;
using testing::FakeManifests;
using ::testing::HasSubstr;
using testing::hub_manifest_bytes;
using testing::hub_record;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::ollama_record;
using ::testing::SizeIs;

const testing::Files kLlm = {{"openvino_model.xml", "<m/>"},
                             {"openvino_tokenizer.xml", "<t/>"},
                             {"openvino_detokenizer.xml", "<d/>"},
                             {"config.json", "{}"}};

class OvmsView : public ::testing::Test {
 protected:
  RefRecord hub(const std::string& name, const testing::Files& files,
                std::int64_t pulled_at = 1000) {
    return hub_record(name, manifests_->put(hub_manifest_bytes(name, files)), pulled_at);
  }
  RefRecord ollama(const std::string& name, const std::string& source,
                   const std::string& type = testing::kGgufLayer) {
    return ollama_record(
        name, source, manifests_->put(testing::ollama_manifest_bytes("{}", type, "GGUF" + name)));
  }
  View view(const std::vector<RefRecord>& records, const Tree* previous = nullptr) {
    return make_view(Layout::kOvms, {records, previous, manifests_});
  }
  static std::string text_at(const Tree& tree, std::string_view path) {
    const auto node = tree.find(path);
    if (!node || !*node) return "nothing at " + std::string(path);
    if (const auto* graph = std::get_if<RewritableText>(&(*node)->content()))
      return graph->text ? *graph->text : "nothing at " + std::string(path);
    const auto* text = std::get_if<TextContent>(&(*node)->content());
    return text == nullptr ? "no text" : *text->text;
  }
  static std::vector<std::string> served(const Tree& tree) {
    std::vector<std::string> all;
    const auto config = nlohmann::json::parse(text_at(tree, "config.json"));
    for (const auto& model : config["model_config_list"])
      all.push_back(model["config"]["name"].get<std::string>() + " at " +
                    model["config"]["base_path"].get<std::string>());
    return all;
  }

  std::shared_ptr<FakeManifests> manifests_ = std::make_shared<FakeManifests>();
};

TEST_F(OvmsView, EmptyMountHasAConfigWithNothingInIt) {
  const View empty = view({});
  EXPECT_EQ(text_at(*empty.tree, "config.json"), "{\n    \"model_config_list\": []\n}\n");
  EXPECT_THAT(**empty.tree->root()->children(), SizeIs(1));
}

TEST_F(OvmsView, ConfigBytesAreStableAndStrict) {
  const View shown = view({hub("b/later", kLlm, 20), hub("a/first", kLlm, 10)});
  EXPECT_EQ(text_at(*shown.tree, "config.json"), R"({
    "model_config_list": [
        {
            "config": {
                "name": "a/first",
                "base_path": "a/first"
            }
        },
        {
            "config": {
                "name": "b/later",
                "base_path": "b/later"
            }
        }
    ]
}
)");
}

TEST_F(OvmsView, ConfigListsWhatOvmsCanServe) {
  RefRecord named = hub("o/named", kLlm, 3);
  named.served_name = "chat \"x\"\n\\";
  RefRecord same_name = hub("o/same", kLlm, 4);
  same_name.served_name = named.served_name;
  RefRecord odd_task = hub("o/odd", {{"x.bin", "1"}}, 5);
  odd_task.task = "no_such_task";
  const View shown =
      view({hub("o/plain", {{"model.safetensors", "1"}}, 1), hub("o/llm", kLlm, 2), named,
            same_name, odd_task, hub("o/classic", {{"1/m.onnx", "1"}}, 6),
            hub("o/own", {{"graph.pbtxt", "node{}"}}, 7),
            hub("o/pooling", {{"openvino_model.xml", "1"}, {"openvino_tokenizer.xml", "2"}}, 8)});
  EXPECT_THAT(served(*shown.tree), ElementsAre("o/llm at o/llm", "chat \"x\"\n\\ at o/named",
                                               "o/classic at o/classic", "o/own at o/own"));
  ASSERT_THAT(shown.problems, SizeIs(1));
  EXPECT_THAT(shown.problems[0], HasSubstr("o/odd: no graph.pbtxt"));
  EXPECT_EQ(text_at(*shown.tree, "o/odd/graph.pbtxt"), "nothing at o/odd/graph.pbtxt");
  EXPECT_NE(*shown.tree->find("o/plain/model.safetensors"), nullptr) << "shown, though not served";
}

TEST_F(OvmsView, GeneratedGraphWinsOverTheRepositorys) {
  testing::Files files = kLlm;
  files.emplace_back("graph.pbtxt", "theirs");
  const View shown = view({hub("o/llm", files)});
  EXPECT_THAT(text_at(*shown.tree, "o/llm/graph.pbtxt"), HasSubstr("HttpLLMCalculator"));
  EXPECT_THAT(text_at(*shown.tree, "o/llm/graph.pbtxt"), HasSubstr("\"./\""));
  EXPECT_THAT(**(*shown.tree->find("o/llm"))->children(), SizeIs(5));
}

TEST_F(OvmsView, FilesHaveTheManifestsDigestsAndSizes) {
  const View shown = view({hub("o/m", {{"a b/ü#%.bin", "bytes"}, {"empty", ""}}, 77)});
  const NodePtr file = *shown.tree->find("o/m/a b/ü#%.bin");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->size(), 5u);
  EXPECT_EQ(file->mtime(), 77);
  EXPECT_EQ(digest_of(file->content()), base::Sha256::of(std::string_view("bytes")));
  EXPECT_EQ((*shown.tree->find("o/m/empty"))->size(), 0u);
  EXPECT_EQ((*shown.tree->find("o/m"))->model()->home->revision, std::string(40, 'c'));
}

TEST_F(OvmsView, APartialModelIsShownLikeACompleteOne) {
  RefRecord partial = hub("o/llm", kLlm);
  partial.state = manifest::RefState::kPartial;
  RefRecord damaged = hub("o/bad", kLlm);
  damaged.state = manifest::RefState::kDamaged;
  const View shown = view({partial, damaged});
  EXPECT_THAT(served(*shown.tree), ElementsAre("o/llm at o/llm")) << "a damaged one is not served";
  EXPECT_THAT(**(*shown.tree->find("o/llm"))->children(), SizeIs(5));
  EXPECT_EQ((*shown.tree->find("o/bad/config.json"))->size(), 2u) << "what is right can be read";
  damaged.state = manifest::RefState::kComplete;
  const View repaired = view({partial, damaged}, shown.tree.get());
  EXPECT_THAT(served(*repaired.tree), SizeIs(2));
  const NodePtr before = *shown.tree->find("o/bad"), after = *repaired.tree->find("o/bad");
  EXPECT_EQ(before->ino(), after->ino()) << "who has it open need not notice";
  EXPECT_FALSE(before->model()->home->complete);
  EXPECT_TRUE(after->model()->home->complete) << "what it names may be read without asking";
}

TEST_F(OvmsView, AFileSaysThroughWhichModelItCanBeHad) {
  RefRecord record = hub("o/m", {{"d/f", "bytes"}});
  const auto home_of = [&](const View& view) {
    return std::get<BlobContent>((*view.tree->find("o/m/d/f"))->content()).home;
  };
  const View shown = view({record});
  EXPECT_EQ(*home_of(shown), *BlobHome::of(record));
  EXPECT_EQ(home_of(shown)->origin, "https://hub.example o/m");
  record.origin = "https://mirror.example o/m";
  const View moved = view({record}, shown.tree.get());
  EXPECT_EQ(home_of(moved)->origin, "https://mirror.example o/m") << "no old origin is kept";
  const View model = view({ollama("m:t", "ollama://m:t")});
  const NodePtr gguf = *model.tree->find("library/m:t/m-t.gguf");
  EXPECT_EQ(std::get<BlobContent>(gguf->content()).home->name, "m:t");
}

TEST_F(OvmsView, OllamaModelsHaveAGgufAndAGraph) {
  const View shown =
      view({ollama("llama3:8b", "ollama://llama3:8b"),
            ollama("hf.co/u/r:Q4", "ollama://hf.co/u/r:Q4"), ollama("chat", "ollama://other:1")});
  EXPECT_THAT(text_at(*shown.tree, "library/llama3:8b/graph.pbtxt"),
              HasSubstr("\"./llama3-8b.gguf\""));
  EXPECT_EQ((*shown.tree->find("library/llama3:8b/llama3-8b.gguf"))->size(), 13u);
  EXPECT_NE(*shown.tree->find("hf.co/u/r:Q4/r-Q4.gguf"), nullptr);
  EXPECT_NE(*shown.tree->find("chat/chat.gguf"), nullptr);
  EXPECT_THAT(served(*shown.tree), ElementsAre("chat at chat", "hf.co/u/r:Q4 at hf.co/u/r:Q4",
                                               "llama3:8b at library/llama3:8b"));
}

TEST_F(OvmsView, AnOllamaModelWithoutGgufShowsItsManifest) {
  const View shown = view({ollama("m:t", "ollama://m:t", "application/vnd.ollama.image.tensor")});
  EXPECT_THAT(**(*shown.tree->find("library/m:t"))->children(), SizeIs(2));
  EXPECT_EQ(text_at(*shown.tree, "library/m:t/graph.pbtxt"), "nothing at library/m:t/graph.pbtxt");
  EXPECT_NE(*shown.tree->find("library/m:t/manifest.json"), nullptr);
}

TEST_F(OvmsView, MakingAViewParsesNoManifestOfATaskedModel) {
  std::vector<RefRecord> records;
  for (int i = 0; i < 20; ++i) {
    records.push_back(hub("o/m" + std::to_string(i), kLlm, i));
    records.back().task = "text_generation";
  }
  const View shown = view(records);
  EXPECT_EQ(manifests_->loads(), 0);
  ASSERT_NE(*shown.tree->find("o/m3/config.json"), nullptr);
  EXPECT_EQ(manifests_->loads(), 1);
}

TEST_F(OvmsView, WhatDidNotChangeIsTakenFromThePreviousTree) {
  std::vector<RefRecord> records{hub("o/a", kLlm, 1), hub("o/b", kLlm, 2)};
  const View first = view(records);
  const NodePtr a = *first.tree->find("o/a");
  ASSERT_NE(*first.tree->find("o/a/config.json"), nullptr);
  const int loads = manifests_->loads();
  records[1].options["max_num_seqs"] = "16";
  const View second = view(records, first.tree.get());
  EXPECT_EQ(*second.tree->find("o/a"), a);
  EXPECT_NE(*second.tree->find("o/b"), *first.tree->find("o/b"));
  EXPECT_THAT(text_at(*second.tree, "o/b/graph.pbtxt"), HasSubstr("16"));
  EXPECT_LE(manifests_->loads() - loads, 3) << "only what changed is looked at";
  EXPECT_EQ(text_at(*second.tree, "config.json"), text_at(*first.tree, "config.json"));
  EXPECT_EQ((*second.tree->find("config.json"))->ino(), (*first.tree->find("config.json"))->ino());
}

TEST_F(OvmsView, AChangedConfigHasAnIdOfItsOwn) {
  const RefRecord one = hub("o/a", kLlm, 1);
  const View before = view({one});
  const View after = view({one, hub("o/b", kLlm, 2)}, before.tree.get());
  EXPECT_NE((*after.tree->find("config.json"))->ino(), (*before.tree->find("config.json"))->ino());
}

TEST_F(OvmsView, IdsAreTheSameInEveryProcess) {
  const std::vector<RefRecord> records{hub("o/a", kLlm), ollama("m:t", "ollama://m:t")};
  const auto ids = [&] {
    const View shown = view(records);
    std::vector<Ino> all;
    for (const char* path : {"o", "o/a", "o/a/config.json", "o/a/graph.pbtxt", "library/m:t",
                             "library/m:t/m-t.gguf", "config.json"})
      all.push_back((*shown.tree->find(path))->ino());
    return all;
  };
  const auto first = ids();
  EXPECT_EQ(ids(), first);
  // Fixed for ever: another id for the same content would be a new inode after an upgrade.
  EXPECT_EQ(first[0], 990545757388050252u);
}

TEST_F(OvmsView, AModelWithoutItsManifestIsAProblemOfItsOwn) {
  RefRecord lost = hub("o/lost", kLlm, 1);
  manifests_->remove(lost.manifest);
  const View shown = view({lost, hub("o/fine", kLlm, 2)});
  EXPECT_THAT(shown.problems, ElementsAre(HasSubstr("o/lost")));
  EXPECT_THAT(served(*shown.tree), ElementsAre("o/fine at o/fine"));
  EXPECT_FALSE((*shown.tree->find("o/lost"))->children());
}

}  // namespace
}  // namespace castool::fusefs
