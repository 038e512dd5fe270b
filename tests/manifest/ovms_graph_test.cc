// tests/data/ovms/graphs.json has what `ovms --pull` of 2026.3 writes, parsed to nested lists.
#include "manifest/ovms_graph.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/manifest/pbtxt_reader.h"

namespace castool::manifest {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

using Options = std::map<std::string, std::string>;

// Fields of different names in any order; those of one name keep theirs.
json sorted(const json& value) {
  if (!value.is_array()) return value;
  json out = value;
  for (json& field : out) field[1] = sorted(field[1]);
  std::stable_sort(out.begin(), out.end(), [](const json& a, const json& b) {
    return a[0].get<std::string>() < b[0].get<std::string>();
  });
  return out;
}

std::string graph(const Options& options, const std::string& models_path = "./") {
  const auto text = ovms_graph("text_generation", options, models_path);
  EXPECT_TRUE(text) << text.error().message;
  return text.value_or("");
}

// The members of LLMCalculatorOptions by name.
std::map<std::string, json> llm_options(const Options& options) {
  std::map<std::string, json> out;
  for (const json& field : read_pbtxt(graph(options))) {
    if (field[0] != "node") continue;
    for (const json& inner : field[1]) {
      if (inner[0] != "node_options") continue;
      for (const json& member : inner[1][0][1]) out[member[0]] = member[1];
    }
  }
  return out;
}

json literal(const std::string& text) { return json{{"lit", text}}; }

TEST(OvmsGraph, MeansWhatOvmsWrites) {
  std::ifstream in(std::string(CASTOOL_TEST_DATA) + "/ovms/graphs.json");
  ASSERT_TRUE(in);
  int compared = 0;
  for (const json& row : json::parse(in)) {
    const auto arguments = row["args"].get<std::vector<std::string>>();
    const auto task = std::ranges::find(arguments, "--task");
    ASSERT_NE(task, arguments.end());
    Options options;
    for (std::size_t i = 1; i + 1 < arguments.size(); i += 2) {
      options[arguments[i].substr(2)] = arguments[i + 1];
    }
    const auto text = ovms_graph(*(task + 1), options, "./");
    ASSERT_TRUE(text) << row["case"] << text.error().text();
    EXPECT_EQ(sorted(read_pbtxt(*text)), sorted(row["graph"])) << row["case"];
    ++compared;
  }
  EXPECT_EQ(compared, 16);
}

TEST(OvmsGraph, BeginsWithTheDirectiveForTheQueue) {
  EXPECT_THAT(graph({}), testing::MatchesRegex("# File created with: [^\n]*\n"
                                               "# OVMS_GRAPH_QUEUE_MAX_SIZE: AUTO\n\n.*"));
}

TEST(OvmsGraph, WritesEveryOption) {
  const auto options = llm_options({{"max_num_seqs", "8"},
                                    {"target_device", "GPU.1"},
                                    {"enable_prefix_caching", "false"},
                                    {"cache_size", "4"},
                                    {"pipeline_type", "VLM_CB"},
                                    {"max_num_batched_tokens", "4096"},
                                    {"reasoning_parser", "qwen3"},
                                    {"tool_parser", "hermes3"},
                                    {"enable_tool_guided_generation", "true"},
                                    {"cache_interval_multiplier", "18446744073709551615"},
                                    {"dynamic_split_fuse", "false"},
                                    {"draft_source_model", "a/b/c"},
                                    {"max_prompt_len", "2048"},
                                    {"kv_cache_precision", "u8"},
                                    {"model_distribution_policy", "TENSOR_PARALLEL"},
                                    {"cache_dir", "/c"},
                                    {"plugin_config", R"({"B":1,"A":{"x":"y"}})"}});
  EXPECT_EQ(options.at("max_num_seqs"), literal("8"));
  EXPECT_EQ(options.at("device"), "GPU.1");
  EXPECT_EQ(options.at("enable_prefix_caching"), literal("false"));
  EXPECT_EQ(options.at("cache_size"), literal("4"));
  EXPECT_EQ(options.at("pipeline_type"), literal("VLM_CB"));
  EXPECT_EQ(options.at("max_num_batched_tokens"), literal("4096"));
  EXPECT_EQ(options.at("reasoning_parser"), "qwen3");
  EXPECT_EQ(options.at("tool_parser"), "hermes3");
  EXPECT_EQ(options.at("enable_tool_guided_generation"), literal("true"));
  EXPECT_EQ(options.at("cache_interval_multiplier"), literal("18446744073709551615"));
  EXPECT_EQ(options.at("dynamic_split_fuse"), literal("false"));
  EXPECT_EQ(options.at("draft_models_path"), "a-b-c");
  EXPECT_EQ(options.at("plugin_config"),
            R"({"B":1,"A":{"x":"y"},"KV_CACHE_PRECISION":"u8","MAX_PROMPT_LEN":2048,)"
            R"("MODEL_DISTRIBUTION_POLICY":"TENSOR_PARALLEL","CACHE_DIR":"/c"})");
}

TEST(OvmsGraph, LeavesOutWhatHasNoEffect) {
  const auto options = llm_options({{"enable_tool_guided_generation", "True"},
                                    {"dynamic_split_fuse", "true"},
                                    {"target_device", ""},
                                    {"draft_source_model", ""},
                                    {"weight-format", "int8"},
                                    {"model_name", "served"}});
  EXPECT_EQ(options.size(), 4u);
}

TEST(OvmsGraph, PrefixCachingOfTheNpuGoesIntoThePluginConfig) {
  EXPECT_EQ(llm_options({{"target_device", "NPU"}, {"enable_prefix_caching", "false"}})
                .count("plugin_config"),
            0u);
  EXPECT_EQ(llm_options({{"target_device", "HETERO:NPU"}}).count("plugin_config"), 0u);
  EXPECT_EQ(llm_options({{"target_device", "NPU"},
                         {"plugin_config", R"({"DEVICE_PROPERTIES":{"NPU":{"A":1}}})"}})
                .at("plugin_config"),
            R"({"DEVICE_PROPERTIES":{"NPU":{"A":1,"NPUW_LLM_ENABLE_PREFIX_CACHING":true}}})");
}

TEST(OvmsGraph, TextsCannotBreakOutOfTheirQuotes) {
  const std::string odd = "./a\"b'c\\d\n} node {";
  const auto text = graph({{"plugin_config", R"({"A":"it's \"quoted\" \\ \n"})"}}, odd);
  const json read = read_pbtxt(text);
  EXPECT_EQ(read.size(), 3u);
  EXPECT_THAT(read.dump(), HasSubstr(json(odd).dump()));
  EXPECT_THAT(read.dump(), HasSubstr(json(R"({"A":"it's \"quoted\" \\ \n"})").dump()));
}

struct Bad {
  Options options;
  base::Code code;
  std::string option;
  std::string value;
};

TEST(OvmsGraph, RefusalsNameOptionAndValue) {
  using base::Code;
  const std::vector<Bad> rows{
      {{{"max_allowed_chunks", "1400"}}, Code::kUsage, "--max_allowed_chunks", "1400"},
      {{{"num_streams", "2"}}, Code::kUsage, "--num_streams", "2"},
      {{{"pipeline_type", "INVALID"}}, Code::kUsage, "pipeline_type", "INVALID"},
      {{{"enable_prefix_caching", "INVALID"}}, Code::kUsage, "enable_prefix_caching", "INVALID"},
      {{{"dynamic_split_fuse", "maybe"}}, Code::kUsage, "dynamic_split_fuse", "maybe"},
      {{{"reasoning_parser", "foo"}}, Code::kUsage, "reasoning_parser", "foo"},
      {{{"tool_parser", "foo"}}, Code::kUsage, "tool_parser", "foo"},
      {{{"target_device", "TPU"}}, Code::kUsage, "target_device", "TPU"},
      {{{"target_device", "GPU."}}, Code::kUsage, "target_device", "GPU."},
      {{{"target_device", "GPU.x"}}, Code::kUsage, "target_device", "GPU.x"},
      {{{"max_num_seqs", "-1"}}, Code::kUsage, "max_num_seqs", "-1"},
      {{{"max_num_seqs", "4294967296"}}, Code::kUsage, "max_num_seqs", "4294967296"},
      {{{"cache_size", "1.5"}}, Code::kUsage, "cache_size", "1.5"},
      {{{"cache_size", ""}}, Code::kUsage, "cache_size", "\"\""},
      {{{"max_prompt_len", "x"}}, Code::kUsage, "max_prompt_len", "x"},
      {{{"cache_interval_multiplier", "18446744073709551616"}},
       Code::kUsage,
       "cache_interval_multiplier",
       "18446744073709551616"},
      // OVMS exits with 1 for these.
      {{{"plugin_config", "{bad"}}, Code::kUnsupported, "Plugin config is in wrong format", "{bad"},
      {{{"plugin_config", "[1]"}}, Code::kUnsupported, "plugin_config", "[1]"},
      {{{"plugin_config", R"({"CACHE_DIR":"a"})"}, {"cache_dir", "b"}},
       Code::kUnsupported,
       "Doubled CACHE_DIR",
       ""},
      {{{"plugin_config", R"({"A":1,"A":2})"}}, Code::kUnsupported, "plugin_config", "twice"},
      {{{"plugin_config", R"({"DEVICE_PROPERTIES":1})"}, {"target_device", "NPU"}},
       Code::kUnsupported,
       "DEVICE_PROPERTIES",
       ""},
      {{{"plugin_config", "{\"A\":" + std::string(100'000, '[')}},
       Code::kUnsupported,
       "plugin_config",
       ""},
  };
  for (const Bad& row : rows) {
    const auto text = ovms_graph("text_generation", row.options, "./");
    ASSERT_FALSE(text) << row.option << " " << row.value;
    EXPECT_EQ(text.error().code, row.code) << text.error().text();
    EXPECT_THAT(text.error().text(), HasSubstr(row.option));
    EXPECT_THAT(text.error().text(), HasSubstr(row.value));
    EXPECT_THAT(text.error().text(), Not(HasSubstr("\n")));
  }
}

TEST(OvmsGraph, OtherTasksAreNotSupported) {
  for (const std::string task : {"", "translation", "bad_task"}) {
    const auto text = ovms_graph(task, {}, "./");
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, base::Code::kUnsupported);
    EXPECT_THAT(text.error().text(), HasSubstr("\"" + task + "\""));
    EXPECT_EQ(check_ovms_task(task).error().code, base::Code::kUsage);
  }
  EXPECT_TRUE(check_ovms_task("image_generation"));
}

// Everything between the outermost braces of the message called `name`, wherever it is.
json member(const json& message, const std::string& name) {
  for (const json& field : message) {
    if (field[0] == name) return field[1];
    if (field[1].is_array()) {
      if (json found = member(field[1], name); !found.is_null()) return found;
    }
  }
  return {};
}

json task_options(const std::string& task, const Options& options) {
  const auto text = ovms_graph(task, options, "./");
  EXPECT_TRUE(text) << text.error().text();
  return member(read_pbtxt(text.value_or("")), "node_options")[0][1];
}

TEST(OvmsGraph, ImageGenerationWritesEveryOption) {
  const json options = task_options(
      "image_generation",
      {{"target_device", "GPU"},
       {"resolution", "512x512 1024x1024"},
       {"num_images_per_prompt", "2"},
       {"guidance_scale", "8.2"},
       {"max_resolution", "2048x2048"},
       {"default_resolution", "64x32"},
       {"max_num_images_per_prompt", "4"},
       {"default_num_inference_steps", "10"},
       {"max_num_inference_steps", "50"},
       {"num_streams", "2"},
       {"plugin_config", "{\"A\":1}"},
       {"source_loras", "a=org/r@f.safetensors:0.5,b=org/s@g.safetensors,mix=@a:0.7+@b"}});
  EXPECT_EQ(member(options, "device"), "GPU");
  EXPECT_EQ(member(options, "resolution"), "512x512 1024x1024");
  EXPECT_EQ(member(options, "num_images_per_prompt"), literal("2"));
  EXPECT_EQ(member(options, "guidance_scale"), literal("8.2"));
  EXPECT_EQ(member(options, "max_resolution"), "2048x2048");
  EXPECT_EQ(member(options, "default_resolution"), "64x32");
  EXPECT_EQ(member(options, "max_num_images_per_prompt"), literal("4"));
  EXPECT_EQ(member(options, "default_num_inference_steps"), literal("10"));
  EXPECT_EQ(member(options, "max_num_inference_steps"), literal("50"));
  EXPECT_EQ(member(options, "plugin_config"), R"({"A":1,"NUM_STREAMS":"2"})");
  EXPECT_EQ(member(options, "composite_lora_adapters").dump(),
            R"([["alias","mix"],["components",[["adapter_alias","a"],["alpha",{"lit":"0.7"}]]],)"
            R"(["components",[["adapter_alias","b"]]]])");
}

TEST(OvmsGraph, OlderReleasesGetTheirOwnForm) {
  const auto at = [](const std::string& release) {
    return ovms_graph("text_generation", {{"ovms-version", release}}, "./").value();
  };
  EXPECT_THAT(at("2026.1"), Not(HasSubstr("QUEUE_MAX_SIZE")));
  EXPECT_THAT(at("2025.4"), Not(HasSubstr("QUEUE_MAX_SIZE")));
  EXPECT_THAT(at("2026.2"), HasSubstr("QUEUE_MAX_SIZE"));
  EXPECT_THAT(at("2026.2.1"), Not(HasSubstr("LLM_NODE_EXECUTION_CONTEXTS")));
  EXPECT_THAT(at("2026.2"), HasSubstr("device: \"CPU\""));
  EXPECT_THAT(at("2026.3"), HasSubstr("LLM_NODE_EXECUTION_CONTEXTS"));
  EXPECT_THAT(at("2026.3"), Not(HasSubstr("device:")));
  EXPECT_EQ(at("2027.0").substr(at("2027.0").find('\n')), at("").substr(at("").find('\n')));
  for (const std::string task : {"embeddings", "rerank", "text2speech", "speech2text"}) {
    EXPECT_EQ(member(task_options(task, {{"ovms-version", "2026.2"}}), "target_device"), "CPU");
    EXPECT_EQ(member(task_options(task, {{"target_device", "weird"}}), "target_device"), "weird");
  }
}

TEST(OvmsGraph, ConfiguredInPlaceNamesTheDirectoryItself) {
  const auto text = ovms_graph("text_generation", {{"gguf_filename", "x.gguf"}}, ".");
  EXPECT_EQ(member(read_pbtxt(text.value()), "models_path"), ".");
}

TEST(OvmsGraph, OtherTasksCheckTheirOptions) {
  struct Row {
    std::string task;
    Options options;
    base::Code code;
    std::string words;
  };
  const std::vector<Row> rows{
      {"embeddings", {{"pooling", "SUM"}}, base::Code::kUsage, "SUM"},
      {"embeddings", {{"normalize", "yes"}}, base::Code::kUsage, "normalize"},
      {"embeddings", {{"max_num_seqs", "1"}}, base::Code::kUsage, "--max_num_seqs"},
      {"rerank", {{"max_allowed_chunks", "-1"}}, base::Code::kUsage, "max_allowed_chunks"},
      {"image_generation", {{"num_streams", "0"}}, base::Code::kUsage, "num_streams"},
      {"image_generation", {{"max_resolution", "512"}}, base::Code::kUsage, "max_resolution"},
      {"image_generation", {{"default_resolution", "x"}}, base::Code::kUsage, "default_resolution"},
      {"image_generation", {{"guidance_scale", "much"}}, base::Code::kUsage, "guidance_scale"},
      {"image_generation", {{"guidance_scale", "inf"}}, base::Code::kUsage, "guidance_scale"},
      {"image_generation",
       {{"target_device", "NPU"}, {"source_loras", "a=o/r@f.safetensors,b=o/s@g.safetensors"}},
       base::Code::kUsage,
       "composite"},
      {"speech2text", {{"num_streams", "x"}}, base::Code::kUsage, "num_streams"},
      {"rerank", {{"ovms-version", "new"}}, base::Code::kUsage, "ovms-version"},
      {"embeddings",
       {{"num_streams", "2"}, {"plugin_config", "{\"NUM_STREAMS\":1}"}},
       base::Code::kUnsupported,
       "Doubled NUM_STREAMS"},
  };
  for (const Row& row : rows) {
    const auto text = ovms_graph(row.task, row.options, "./");
    ASSERT_FALSE(text) << row.words;
    EXPECT_EQ(text.error().code, row.code) << text.error().text();
    EXPECT_THAT(text.error().text(), HasSubstr(row.words));
  }
  EXPECT_EQ(
      member(task_options("rerank", {{"plugin_config", "{\"NUM_STREAMS\":4}"}}), "plugin_config"),
      R"({"NUM_STREAMS":4})");
}

}  // namespace
}  // namespace castool::manifest
