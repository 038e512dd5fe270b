// graph.pbtxt of task text_generation: HttpLLMCalculator in a loop with itself.
#include <array>
#include <limits>

#include "manifest/ovms_tasks.h"
#include "manifest/pbtxt_writer.h"

namespace castool::manifest {
namespace {

constexpr std::uint64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMaxU64 = std::numeric_limits<std::uint64_t>::max();

constexpr std::array<std::string_view, 14> kOptions{"max_num_seqs",
                                                    "pipeline_type",
                                                    "enable_prefix_caching",
                                                    "max_num_batched_tokens",
                                                    "cache_size",
                                                    "draft_source_model",
                                                    "dynamic_split_fuse",
                                                    "reasoning_parser",
                                                    "tool_parser",
                                                    "enable_tool_guided_generation",
                                                    "cache_interval_multiplier",
                                                    "max_prompt_len",
                                                    "kv_cache_precision",
                                                    "model_distribution_policy"};
constexpr std::array<std::string_view, 6> kPipelines{"LM",     "LM_CB", "VLM",
                                                     "VLM_CB", "OMNI",  "AUTO"};
constexpr std::array<std::string_view, 2> kBooleans{"true", "false"};
constexpr std::array<std::string_view, 6> kReasoningParsers{"qwen3",    "gemma4", "gptoss",
                                                            "minicpm5", "lfm2",   "none"};
constexpr std::array<std::string_view, 11> kToolParsers{
    "llama3",   "hermes3", "phi4",   "mistral",  "gptoss", "qwen3coder",
    "devstral", "lfm2",    "gemma4", "minicpm5", "none"};

// What LLMCalculatorOptions says, with OVMS's defaults; nothing means that the field is left out.
struct LlmOptions {
  std::uint64_t max_num_seqs = 256;
  std::optional<std::string> device;
  std::string plugin_config;
  std::string enable_prefix_caching = "true";
  std::uint64_t cache_size = 0;  // GB
  std::optional<std::string> pipeline_type;
  std::optional<std::uint64_t> max_num_batched_tokens;
  std::optional<std::string> reasoning_parser;
  std::optional<std::string> tool_parser;
  bool tool_guided_generation = false;
  std::optional<std::uint64_t> cache_interval_multiplier;
  bool dynamic_split_fuse = true;
  std::optional<std::string> draft_models_path;
};

base::Status read_numbers(const OvmsOptions& options, LlmOptions& llm) {
  CASTOOL_ASSIGN(const auto seqs, number_option(options, "max_num_seqs", kMaxU32));
  llm.max_num_seqs = seqs.value_or(llm.max_num_seqs);
  CASTOOL_ASSIGN(const auto cache, number_option(options, "cache_size", kMaxU32));
  llm.cache_size = cache.value_or(llm.cache_size);
  CASTOOL_ASSIGN(llm.max_num_batched_tokens,
                 number_option(options, "max_num_batched_tokens", kMaxU32));
  CASTOOL_ASSIGN(llm.cache_interval_multiplier,
                 number_option(options, "cache_interval_multiplier", kMaxU64));
  return base::ok();
}

base::Status read_words(const OvmsOptions& options, LlmOptions& llm) {
  CASTOOL_RETURN_IF_ERROR(check_device(options));
  CASTOOL_ASSIGN(const auto prefix, word_option(options, "enable_prefix_caching", kBooleans));
  llm.enable_prefix_caching = prefix.value_or(llm.enable_prefix_caching);
  CASTOOL_ASSIGN(llm.pipeline_type, word_option(options, "pipeline_type", kPipelines));
  CASTOOL_ASSIGN(llm.reasoning_parser, word_option(options, "reasoning_parser", kReasoningParsers));
  CASTOOL_ASSIGN(llm.tool_parser, word_option(options, "tool_parser", kToolParsers));
  CASTOOL_ASSIGN(const auto split, word_option(options, "dynamic_split_fuse", kBooleans));
  llm.dynamic_split_fuse = split.value_or("true") == "true";
  // OVMS takes any text here; only "true" has an effect.
  llm.tool_guided_generation = option(options, "enable_tool_guided_generation") == "true";
  if (const auto draft = option(options, "draft_source_model"); draft && !draft->empty()) {
    llm.draft_models_path = draft_directory(*draft);
  }
  return base::ok();
}

base::Status read_plugin_config(const OvmsOptions& options, LlmOptions& llm) {
  PluginAdditions additions;
  additions.kv_cache_precision = option(options, "kv_cache_precision");
  CASTOOL_ASSIGN(additions.max_prompt_len, number_option(options, "max_prompt_len", kMaxU32));
  additions.model_distribution_policy = option(options, "model_distribution_policy");
  additions.npu_prefix_caching = llm.device == "NPU" && llm.enable_prefix_caching == "true";
  CASTOOL_ASSIGN(llm.plugin_config, plugin_config(options, additions));
  return base::ok();
}

void write_options(const LlmOptions& llm, std::string_view models_path, PbtxtWriter& out) {
  out.open("node_options:");
  out.open("[type.googleapis.com/mediapipe.LLMCalculatorOptions]:");
  out.literal("max_num_seqs", llm.max_num_seqs);
  if (llm.device) out.text("device", *llm.device);
  out.text("models_path", models_path);
  if (!llm.plugin_config.empty()) out.text("plugin_config", llm.plugin_config);
  out.literal("enable_prefix_caching", llm.enable_prefix_caching);
  out.literal("cache_size", llm.cache_size);
  if (llm.pipeline_type) out.literal("pipeline_type", *llm.pipeline_type);
  if (llm.max_num_batched_tokens) {
    out.literal("max_num_batched_tokens", *llm.max_num_batched_tokens);
  }
  if (llm.reasoning_parser) out.text("reasoning_parser", *llm.reasoning_parser);
  if (llm.tool_parser) out.text("tool_parser", *llm.tool_parser);
  if (llm.tool_guided_generation) out.literal("enable_tool_guided_generation", "true");
  if (llm.cache_interval_multiplier) {
    out.literal("cache_interval_multiplier", *llm.cache_interval_multiplier);
  }
  if (!llm.dynamic_split_fuse) out.literal("dynamic_split_fuse", "false");
  if (llm.draft_models_path) out.text("draft_models_path", *llm.draft_models_path);
  out.close();
  out.close();
}

// A GGUF is named itself: the directory may hold several.
std::string models_path(const GraphInput& input) {
  const auto gguf = option(input.options, "gguf_filename");
  if (!gguf || gguf->empty() || input.models_path != "./") return std::string(input.models_path);
  return "./" + *gguf;
}

void write_node(const LlmOptions& llm, const GraphInput& input, PbtxtWriter& out) {
  out.open("node:");
  out.text("name", "LLMExecutor");
  out.text("calculator", "HttpLLMCalculator");
  out.text("input_stream", "LOOPBACK:loopback");
  out.text("input_stream", "HTTP_REQUEST_PAYLOAD:input");
  out.text("input_side_packet", "LLM_NODE_RESOURCES:llm");
  if (input.version >= kOvmsExecutionContexts) {
    out.text("input_side_packet", "LLM_NODE_EXECUTION_CONTEXTS:llm_ctx");
  }
  out.text("output_stream", "LOOPBACK:loopback");
  out.text("output_stream", "HTTP_RESPONSE_PAYLOAD:output");
  write_loopback_mark(out);
  write_options(llm, models_path(input), out);
  write_loopback_handler(out);
  out.close();
}

}  // namespace

base::Result<std::string> text_generation_graph(const GraphInput& input) {
  CASTOOL_RETURN_IF_ERROR(check_option_names("text_generation", input.options, kOptions));
  LlmOptions llm;
  llm.device = device_option(input.options, input.version);
  CASTOOL_RETURN_IF_ERROR(read_numbers(input.options, llm));
  CASTOOL_RETURN_IF_ERROR(read_words(input.options, llm));
  CASTOOL_RETURN_IF_ERROR(read_plugin_config(input.options, llm));
  PbtxtWriter out;
  out.text("input_stream", "HTTP_REQUEST_PAYLOAD:input");
  out.text("output_stream", "HTTP_RESPONSE_PAYLOAD:output");
  write_node(llm, input, out);
  return out.take();
}

}  // namespace castool::manifest
