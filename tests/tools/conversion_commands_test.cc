#include "tools/conversion_commands.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace castool::tools {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsSupersetOf;

TEST(ConversionCommands, AreThoseOfOvms) {
  std::ifstream in(std::string(CASTOOL_TEST_DATA) + "/ovms/conversion_commands.json");
  ASSERT_TRUE(in);
  int rows = 0;
  for (const json& row : json::parse(in)) {
    const json& given = row["conversion"];
    const Conversion conversion{given["task"],
                                "ID",
                                "fp64",
                                given.value("extra", "--someOptimumParam --anotherOptParam value"),
                                given.value("model_type", ""),
                                given.value("vocoder", ""),
                                "",
                                ""};
    EXPECT_EQ(export_command(conversion, "P").value(),
              row["export"].get<std::vector<std::string>>());
    const auto tokenizer = tokenizer_command(conversion, "P");
    EXPECT_EQ(tokenizer.has_value(), row.contains("tokenizer"));
    if (tokenizer) {
      EXPECT_EQ(*tokenizer, row["tokenizer"].get<std::vector<std::string>>());
    }
    ++rows;
  }
  EXPECT_EQ(rows, 8);
}

TEST(ConversionCommands, HaveDefaults) {
  const auto words =
      export_command({"text_generation", "ID", "", "", "", "", "NPU", ""}, "P").value();
  EXPECT_THAT(words, IsSupersetOf({"int8", "--sym", "--ratio", "1.0", "--group-size", "-1"}));
}

TEST(ConversionCommands, KeepQuotedBlanksTogether) {
  const auto words = export_command(
      {"image_generation", "ID", "int4", "  --a 'b c'  --d=\"e f\" '' ", "", "", "", ""}, "P");
  EXPECT_THAT(words.value(),
              ElementsAre("optimum-cli", "export", "openvino", "--model", "ID", "--weight-format",
                          "int4", "--a", "b c", "--d=e f", "", "P"));
  EXPECT_EQ(export_command({"rerank", "ID", "", "--a 'b", "", "", "", ""}, "P").error().code,
            base::Code::kUsage);
}

TEST(ConversionCommands, SayTheTaskThatWouldBeAskedFor) {
  const auto task_of = [](const char* task, const char* extra, const char* model_type) {
    const Conversion conversion{task, "ID", "", extra, model_type, "", "", "T"};
    const auto words = export_command(conversion, "P").value();
    EXPECT_EQ(words.back(), "P");
    const auto at = std::ranges::find(words, "--task");
    EXPECT_LE(std::ranges::count(words, "--task"), 1);
    return at == words.end() ? std::string() : *(at + 1);
  };
  EXPECT_EQ(task_of("text_generation", "", ""), "T");
  EXPECT_EQ(task_of("text_generation", "--task own", ""), "own");
  EXPECT_EQ(task_of("text_generation", "--task=own", ""), "");
  EXPECT_EQ(task_of("embeddings", "", ""), "feature-extraction");
  EXPECT_EQ(task_of("rerank", "", ""), "text-classification");
  EXPECT_EQ(task_of("text2speech", "", "kokoro"), "text-to-audio");
}

}  // namespace
}  // namespace castool::tools
