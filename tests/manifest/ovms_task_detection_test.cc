// tests/data/ovms/task_detection.json: metadata files of repositories and the task OVMS infers.
#include "manifest/ovms_task_detection.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace castool::manifest {
namespace {

using nlohmann::json;

TEST(OvmsTaskDetection, InfersWhatOvmsInfers) {
  std::ifstream in(std::string(CASTOOL_TEST_DATA) + "/ovms/task_detection.json");
  ASSERT_TRUE(in);
  int rows = 0;
  for (const json& row : json::parse(in)) {
    ModelMetadata metadata;
    metadata.id = row["id"];
    if (row.contains("config.json")) metadata.config = row["config.json"].dump();
    if (row.contains("model_index.json")) metadata.model_index = row["model_index.json"].dump();
    if (row.contains("modules.json")) metadata.modules = row["modules.json"].dump();
    EXPECT_EQ(detect_ovms_task(metadata), row["task"].get<std::string>()) << row["case"];
    ++rows;
  }
  EXPECT_EQ(rows, 28);
}

TEST(OvmsTaskDetection, BadJsonIsNoTask) {
  for (const char* config :
       {"", "{", "[]", "{\"architectures\":\"LlamaForCausalLM\"}", "{\"architectures\":[1,{}]}"}) {
    EXPECT_EQ(detect_ovms_task({"acme/x", config, {}, {}}), "") << config;
  }
  EXPECT_EQ(detect_ovms_task({"acme/x", "{\"architectures\":[\"LlamaForCausalLM\"]}", {}, "{"}),
            "text_generation");
}

}  // namespace
}  // namespace castool::manifest
