#include "pull/ref_update.h"

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using manifest::HubSource;
using manifest::OllamaSource;
using manifest::RefRecord;

// 1000 seconds and 7 nanoseconds after the epoch.
constexpr base::Clock::Wall kNow{std::chrono::seconds(1000) + std::chrono::nanoseconds(7)};

RemoteModel hub_model(std::initializer_list<const char*> paths) {
  RemoteModel model;
  model.kind = manifest::ModelKind::kHub;
  model.origin = "https://hub.example acme/m";
  model.revision = std::string(40, 'a');
  for (const char* path : paths) {
    RemoteFile file;
    file.path = path;
    model.files.push_back(file);
  }
  return model;
}

PullRequest request_for(manifest::Source source) {
  PullRequest request;
  request.source = std::move(source);
  return request;
}

TEST(InferTask, KnowsALanguageModelByItsFiles) {
  EXPECT_EQ(infer_task(hub_model({"openvino_model.xml", "openvino_tokenizer.xml"})),
            "text_generation");
  EXPECT_EQ(infer_task(hub_model({"openvino_language_model.xml", "openvino_tokenizer.xml"})),
            "text_generation");
  EXPECT_EQ(infer_task(hub_model({"openvino_model.xml"})), "");
  EXPECT_EQ(infer_task(hub_model({"a/openvino_model.xml", "a/openvino_tokenizer.xml"})), "");
  EXPECT_EQ(infer_task(hub_model(
                {"openvino_model.xml", "openvino_tokenizer.xml", "1_Pooling/config.json"})),
            "");
  RemoteModel ollama;
  ollama.kind = manifest::ModelKind::kOllama;
  EXPECT_EQ(infer_task(ollama), "text_generation");
}

PulledModel whole(std::uint64_t bytes) {
  return {"acme/m", base::Digest(), bytes, {manifest::RefState::kComplete, bytes, bytes}, kNow};
}

TEST(UpdatedRecord, OfALazyPullSaysHowMuchIsHere) {
  PulledModel pulled = whole(77);
  pulled.presence = {manifest::RefState::kPartial, 10, 5};
  const auto record = updated_record(std::nullopt, request_for(HubSource{"acme/m", "main"}),
                                     hub_model({"a", "b"}), pulled);
  EXPECT_EQ(record.state, manifest::RefState::kPartial);
  EXPECT_EQ(record.bytes, 77u);
  EXPECT_EQ(record.bytes_present, 10u);
}

TEST(UpdatedRecord, OfAFirstPull) {
  const auto request = request_for(HubSource{"acme/m", "main"});
  const auto record = updated_record(std::nullopt, request, hub_model({"a", "b"}), whole(77));
  EXPECT_EQ(record.name, "acme/m");
  EXPECT_EQ(record.source, manifest::source_text(request.source));
  EXPECT_EQ(record.state, manifest::RefState::kComplete);
  EXPECT_EQ(record.bytes, 77u);
  EXPECT_EQ(record.bytes_present, 77u);
  EXPECT_EQ(record.files, 2u);
  EXPECT_EQ(record.first_pulled_ns, 1'000'000'000'007);
  EXPECT_EQ(record.pulled_at, 1000);
  EXPECT_EQ(record.task, "");
}

RefRecord earlier() {
  RefRecord old;
  old.name = "acme/m";
  old.source = manifest::source_text(HubSource{"acme/m", "v1"});
  old.first_pulled_ns = 10;
  old.pulled_at = 20;
  old.pinned = true;
  old.served_name = "served";
  old.task = "embeddings";
  old.options = {{"max_num_seqs", "8"}, {"pooling", "CLS"}};
  return old;
}

TEST(UpdatedRecord, OfAnotherRevisionKeepsWhatTheUserSet) {
  auto request = request_for(HubSource{"acme/m", "v2"});
  request.options = {{"max_num_seqs", "16"}};
  PulledModel pulled = whole(1);
  pulled.options = updated_options(earlier(), request);
  const auto record = updated_record(earlier(), request, hub_model({"a"}), pulled);
  EXPECT_EQ(record.first_pulled_ns, 10);
  EXPECT_EQ(record.pulled_at, 1000);
  EXPECT_TRUE(record.pinned);
  EXPECT_EQ(record.served_name, "served");
  EXPECT_EQ(record.task, "embeddings");
  EXPECT_EQ(record.options.at("max_num_seqs"), "16");
  EXPECT_EQ(record.options.at("pooling"), "CLS");
  EXPECT_EQ(record.source, "hf://acme/m@v2");
}

TEST(UpdatedRecord, OfAPullAsOvmsDoesItHasNoOlderOptions) {
  auto request = request_for(HubSource{"acme/m", "v2"});
  request.options = {{"max_num_seqs", "16"}};
  request.options_change = OptionsChange::kReplace;
  PulledModel pulled = whole(1);
  pulled.task = "rerank";
  pulled.options = updated_options(earlier(), request);
  EXPECT_EQ(pulled.options, request.options);
  EXPECT_EQ(updated_record(earlier(), request, hub_model({"a"}), pulled).task, "rerank");
  request.task = "text_generation";
  EXPECT_EQ(updated_record(earlier(), request, hub_model({"a"}), pulled).task, "text_generation");
}

TEST(UpdatedRecord, OfAnotherModelStartsAnew) {
  const auto record = updated_record(earlier(), request_for(HubSource{"acme/other", "main"}),
                                     hub_model({"a"}), whole(1));
  EXPECT_FALSE(record.pinned);
  EXPECT_EQ(record.first_pulled_ns, 1'000'000'000'007);
  EXPECT_TRUE(record.options.empty());
  EXPECT_EQ(record.task, "");
}

TEST(SameModel, IgnoresAHubRevisionOnly) {
  const OllamaSource a{"https", "registry.ollama.ai", "library", "m", "1b"};
  OllamaSource b = a;
  EXPECT_TRUE(same_model(a, b));
  b.tag = "3b";
  EXPECT_FALSE(same_model(a, b));
  EXPECT_TRUE(same_model(HubSource{"a/b", "x"}, HubSource{"a/b", "y"}));
  EXPECT_FALSE(same_model(HubSource{"a/b", "x"}, a));
}

}  // namespace
}  // namespace castool::pull
