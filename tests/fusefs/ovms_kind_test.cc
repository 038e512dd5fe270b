#include "fusefs/views/ovms_kind.h"

#include <gtest/gtest.h>

#include "fusefs/fakes.h"

namespace castool::fusefs {
namespace {

std::vector<FlatFile> files(const std::vector<std::string>& paths) {
  std::vector<FlatFile> all;
  for (const std::string& path : paths) all.push_back({path, BlobContent{}, 1});
  return all;
}

TEST(OvmsKind, Table) {
  struct Case {
    std::vector<std::string> paths;
    OvmsKind kind;
  };
  const std::vector<Case> cases = {
      {{}, OvmsKind::kNone},
      {{"README.md", "model.safetensors"}, OvmsKind::kNone},
      {{"graph.pbtxt"}, OvmsKind::kOwnGraph},
      {{"1/graph.pbtxt"}, OvmsKind::kOwnGraph},
      {{"2/graph.pbtxt"}, OvmsKind::kNone},
      {{"1/model.xml", "1/model.bin"}, OvmsKind::kVersions},
      {{"1/model.xml", "2/model.bin"}, OvmsKind::kNone},
      {{"1/model.xml"}, OvmsKind::kNone},
      {{"007/model.onnx"}, OvmsKind::kVersions},
      {{"0/model.onnx"}, OvmsKind::kNone},
      {{"1a/model.onnx"}, OvmsKind::kNone},
      {{"1/sub/model.onnx"}, OvmsKind::kNone},
      {{"model.onnx"}, OvmsKind::kNone},
      {{"3/inference.pdmodel", "3/inference.pdiparams"}, OvmsKind::kVersions},
      {{"3/inference.pdmodel"}, OvmsKind::kNone},
      {{"1/saved_model.pb", "1/variables/variables.index"}, OvmsKind::kVersions},
      {{"12/m.tflite"}, OvmsKind::kVersions},
  };
  for (const Case& row : cases) {
    EXPECT_EQ(ovms_kind({}, files(row.paths)), row.kind)
        << (row.paths.empty() ? "" : row.paths.front());
    EXPECT_EQ(ovms_kind("text_generation", files(row.paths)), OvmsKind::kGeneratedGraph);
    // The quick look at a manifest's bytes may never say no where the kind is something.
    std::string bytes;
    for (const std::string& path : row.paths) bytes += "{\"path\":\"" + path + "\"}";
    EXPECT_TRUE(row.kind == OvmsKind::kNone || may_be_servable(bytes)) << bytes;
  }
  EXPECT_FALSE(may_be_servable("{\"path\":\"model.safetensors\"},{\"path\":\"config.json\"}"));
}

TEST(OvmsTask, ComesFromTheRecordOrTheFiles) {
  const auto llm =
      files({"openvino_model.xml", "openvino_tokenizer.xml", "openvino_detokenizer.xml"});
  manifest::RefRecord record = testing::hub_record("a/b", {});
  EXPECT_EQ(ovms_task(record, llm), "text_generation");
  EXPECT_EQ(ovms_task(record, files({"openvino_model.xml", "openvino_tokenizer.xml"})), "");
  EXPECT_EQ(ovms_task(record, files({"x/openvino_model.xml", "x/openvino_tokenizer.xml",
                                     "x/openvino_detokenizer.xml"})),
            "");
  record.task = "embeddings";
  EXPECT_EQ(ovms_task(record, llm), "embeddings");
  record = testing::ollama_record("m:t", "ollama://m:t", {});
  EXPECT_EQ(ovms_task(record, {}), "text_generation");
}

}  // namespace
}  // namespace castool::fusefs
