#include "tools/ovms_request.h"

#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tools/command_line.h"
#include "tools/exit_status.h"

namespace castool::tools {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// As far as the command line and its meaning go: the parser, then the request.
base::Result<OvmsRequest> request_of(std::vector<std::string> words,
                                     const Variables& variables = {}) {
  words.insert(words.begin(), "pull");
  CASTOOL_ASSIGN(const auto parsed, parse_command_line(words));
  const auto& invocation = std::get<Invocation>(parsed);
  return ovms_request(std::get<PullArguments>(invocation.arguments), variables);
}

TEST(OvmsRequest, FailsWhereOvmsFailsAndNamesTheSame) {
  std::ifstream in(std::string(CASTOOL_TEST_DATA) + "/ovms/errors.json");
  ASSERT_TRUE(in);
  int rows = 0;
  for (const json& row : json::parse(in)) {
    const auto request = request_of(row["args"]);
    ASSERT_FALSE(request) << row;
    EXPECT_EQ(exit_status(request.error().code), row["status"]) << request.error().text();
    for (const std::string word : row["words"]) {
      EXPECT_THAT(request.error().text(), HasSubstr(word));
    }
    ++rows;
  }
  EXPECT_EQ(rows, 14);
}

TEST(OvmsRequest, TakesEveryGraphOfOvms) {
  std::ifstream in(std::string(CASTOOL_TEST_DATA) + "/ovms/graphs.json");
  ASSERT_TRUE(in);
  for (const json& row : json::parse(in)) {
    const auto request = request_of(row["args"]);
    ASSERT_TRUE(request) << row["case"] << request.error().text();
    EXPECT_TRUE(request->as_ovms);
    EXPECT_EQ(request->repository_path, "/models");
  }
}

TEST(OvmsRequest, TellsWhatIsOfTheModelFromTheRest) {
  const auto request =
      request_of({"--source_model", "acme/x", "--model_repository_path", "/m", "--model_name", "n",
                  "--task", "rerank", "--target_device", "GPU", "--overwrite_models", "--rest_port",
                  "8000", "--log_level=DEBUG", "--metrics_enable"});
  ASSERT_TRUE(request) << request.error().text();
  EXPECT_EQ(request->source_model, "acme/x");
  EXPECT_EQ(request->model_name, "n");
  EXPECT_EQ(request->task, "rerank");
  EXPECT_TRUE(request->overwrite);
  EXPECT_FALSE(request->convert);
  EXPECT_EQ(request->options, (std::map<std::string, std::string>{{"target_device", "GPU"}}));
}

TEST(OvmsRequest, APlainPullIsNoneOfOvms) {
  const auto request = request_of({"acme/x"}, {{"OVMS_MODEL_REPOSITORY_PATH", "/m"}});
  ASSERT_TRUE(request);
  EXPECT_FALSE(request->as_ovms);
  EXPECT_EQ(request->repository_path, std::nullopt);
  EXPECT_TRUE(request->options.empty());
  EXPECT_THAT(request_of({"--task", "rerank"}).error().text(), HasSubstr("source_model"));
}

TEST(OvmsRequest, TheVariableStandsInForThePath) {
  const Variables variables{{"OVMS_MODEL_REPOSITORY_PATH", "/m"}};
  EXPECT_EQ(request_of({"--pull", "--source_model", "a/b"}, variables)->repository_path, "/m");
  EXPECT_EQ(request_of({"--list_models"}, variables)->repository_path, "/m");
  EXPECT_EQ(request_of({"--add_to_config"}, variables)->config_path, "/m/config.json");
  EXPECT_EQ(request_of({"--add_to_config", "--config_path", "c"}, variables)->config_path, "c");
}

TEST(OvmsRequest, TheModelNameStandsInForTheSource) {
  EXPECT_EQ(request_of({"--pull", "--model_name", "a/b"})->source_model, "a/b");
  EXPECT_FALSE(request_of({"--pull", "--model_name", "a/b", "--model_path", "/x"}));
}

TEST(OvmsRequest, ConversionIsForWhatIsNotConverted) {
  EXPECT_TRUE(request_of({"--source_model", "Qwen/Q", "--weight-format", "int4"})->convert);
  EXPECT_TRUE(
      request_of({"--source_model", "Qwen/Q", "--extra_quantization_params", "--sym --ratio 1.0"})
          ->convert);
  EXPECT_FALSE(request_of({"--source_model", "openvino/Q", "--extra_quantization_params", "x"}));
  EXPECT_FALSE(request_of({"--source_model", "OpenVINO/Q", "--weight-format", "int4",
                           "--gguf_filename", "q.gguf"})
                   ->convert);
  EXPECT_THAT(request_of({"--source_model", "a/b", "--model_type", "x"}).error().text(),
              HasSubstr("model_type"));
}

TEST(OvmsRequest, APartOfAGgufBringsTheOthers) {
  const auto request =
      request_of({"--source_model", "a/b", "--gguf_filename", "q-00001-of-00002.gguf"});
  ASSERT_TRUE(request);
  EXPECT_THAT(request->gguf_files, ElementsAre("q-00001-of-00002.gguf", "q-00002-of-00002.gguf"));
  EXPECT_EQ(request->task, "text_generation");
}

TEST(OvmsRequest, KnowsWhatIsNoPull) {
  EXPECT_EQ(request_of({"--list_models"})->action, OvmsAction::kListModels);
  EXPECT_EQ(request_of({"--remove_from_config"})->action, OvmsAction::kRemoveFromConfig);
  EXPECT_EQ(request_of({"--configure", "--model_path", "/x", "--task", "rerank"})->action,
            OvmsAction::kConfigure);
  EXPECT_FALSE(request_of({"--configure", "--pull"}));
}

}  // namespace
}  // namespace castool::tools
