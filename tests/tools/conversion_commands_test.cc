#include "tools/conversion_commands.h"

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
  const auto words = export_command({"text_generation", "ID", "", "", "", "", "NPU"}, "P").value();
  EXPECT_THAT(words, IsSupersetOf({"int8", "--sym", "--ratio", "1.0", "--group-size", "-1"}));
}

TEST(ConversionCommands, KeepQuotedBlanksTogether) {
  const auto words = export_command(
      {"image_generation", "ID", "int4", "  --a 'b c'  --d=\"e f\" '' ", "", "", ""}, "P");
  EXPECT_THAT(words.value(),
              ElementsAre("optimum-cli", "export", "openvino", "--model", "ID", "--weight-format",
                          "int4", "--a", "b c", "--d=e f", "", "P"));
  EXPECT_EQ(export_command({"rerank", "ID", "", "--a 'b", "", "", ""}, "P").error().code,
            base::Code::kUsage);
}

}  // namespace
}  // namespace castool::tools
