#include "tools/ovms_arguments.h"

#include <algorithm>
#include <array>

#include <CLI/CLI.hpp>

namespace castool::tools {
namespace {

constexpr std::array kOptions{
    OvmsOption{"pull", OvmsUse::kPull, "", "Accepted: ovms --pull ARGS is castool pull ARGS"},
    OvmsOption{"source_model", OvmsUse::kPull, "ID", "The repository, as org/name"},
    OvmsOption{"model_repository_path", OvmsUse::kPull, "DIR",
               "A mount of castool, or a directory that gets a copy"},
    OvmsOption{"overwrite_models", OvmsUse::kPull, "", "Replace what is in that directory"},
    OvmsOption{"list_models", OvmsUse::kPull, "", "Only list what could be served from there"},
    OvmsOption{"add_to_config", OvmsUse::kPull, "", "Only add a model to config.json"},
    OvmsOption{"remove_from_config", OvmsUse::kPull, "", "Only remove one from there"},
    OvmsOption{"configure", OvmsUse::kPull, "", "Only write graph.pbtxt into --model_path"},
    OvmsOption{"model_path", OvmsUse::kPull, "DIR", "A model's directory"},
    OvmsOption{"config_path", OvmsUse::kPull, "FILE", "config.json of OVMS"},
    OvmsOption{"model_name", OvmsUse::kModel, "NAME", "Its name in config.json"},
    OvmsOption{"task", OvmsUse::kModel, "TASK", "What OVMS does with it; else inferred"},
    OvmsOption{"target_device", OvmsUse::kModel, "DEVICE", "CPU, GPU, NPU, AUTO, GPU.1, ..."},
    OvmsOption{"plugin_config", OvmsUse::kModel, "JSON", "Of the device"},
    OvmsOption{"cache_dir", OvmsUse::kModel, "DIR", "Where the device keeps compiled models"},
    OvmsOption{"ovms-version", OvmsUse::kModel, "RELEASE", "Graphs for this OVMS (2026.3)"},
    OvmsOption{"gguf_filename", OvmsUse::kModel, "FILE", "Only this GGUF, with all its parts"},
    OvmsOption{"weight-format", OvmsUse::kPull, "FORMAT",
               "Convert with optimum-cli to int4, int8, ..."},
    OvmsOption{"extra_quantization_params", OvmsUse::kPull, "WORDS", "More words for optimum-cli"},
    OvmsOption{"model_type", OvmsUse::kPull, "TYPE", "text2speech: speecht5 or kokoro"},
    OvmsOption{"vocoder", OvmsUse::kPull, "ID", "text2speech: the repository of its vocoder"},
    OvmsOption{"allow-remote-code", OvmsUse::kPull, "",
               "Convert in a service, too: that runs code of the repository"},
    OvmsOption{"draft_source_model", OvmsUse::kModel, "ID", "A draft model beside it"},
    OvmsOption{"source_loras", OvmsUse::kModel, "LIST",
               "image_generation: alias=org/repo@file,..."},
    OvmsOption{"max_num_seqs", OvmsUse::kModel, "N", "text_generation (256)"},
    OvmsOption{"pipeline_type", OvmsUse::kModel, "TYPE", "LM, LM_CB, VLM, VLM_CB, OMNI, AUTO"},
    OvmsOption{"enable_prefix_caching", OvmsUse::kModel, "true|false", "text_generation (true)"},
    OvmsOption{"max_num_batched_tokens", OvmsUse::kModel, "N", "text_generation"},
    OvmsOption{"cache_size", OvmsUse::kModel, "GB", "text_generation (0: as needed)"},
    OvmsOption{"dynamic_split_fuse", OvmsUse::kModel, "true|false", "text_generation (true)"},
    OvmsOption{"reasoning_parser", OvmsUse::kModel, "NAME", "text_generation"},
    OvmsOption{"tool_parser", OvmsUse::kModel, "NAME", "text_generation"},
    OvmsOption{"enable_tool_guided_generation", OvmsUse::kModel, "true|false", "(false)"},
    OvmsOption{"cache_interval_multiplier", OvmsUse::kModel, "N", "text_generation"},
    OvmsOption{"max_prompt_len", OvmsUse::kModel, "N", "text_generation on NPU"},
    OvmsOption{"kv_cache_precision", OvmsUse::kModel, "TYPE", "text_generation"},
    OvmsOption{"model_distribution_policy", OvmsUse::kModel, "POLICY",
               "TENSOR_PARALLEL or PIPELINE_PARALLEL"},
    OvmsOption{"num_streams", OvmsUse::kModel, "N", "All other tasks (1)"},
    OvmsOption{"normalize", OvmsUse::kModel, "true|false", "embeddings (true)"},
    OvmsOption{"truncate", OvmsUse::kModel, "true|false", "embeddings (false)"},
    OvmsOption{"pooling", OvmsUse::kModel, "CLS|LAST|MEAN", "embeddings"},
    OvmsOption{"max_allowed_chunks", OvmsUse::kModel, "N", "rerank (10000)"},
    OvmsOption{"resolution", OvmsUse::kModel, "WxH ...", "image_generation, and all below"},
    OvmsOption{"max_resolution", OvmsUse::kModel, "WxH", ""},
    OvmsOption{"default_resolution", OvmsUse::kModel, "WxH", ""},
    OvmsOption{"num_images_per_prompt", OvmsUse::kModel, "N", ""},
    OvmsOption{"max_num_images_per_prompt", OvmsUse::kModel, "N", ""},
    OvmsOption{"guidance_scale", OvmsUse::kModel, "X", ""},
    OvmsOption{"default_num_inference_steps", OvmsUse::kModel, "N", ""},
    OvmsOption{"max_num_inference_steps", OvmsUse::kModel, "N", ""},
    OvmsOption{"port", OvmsUse::kServing, "V", ""},
    OvmsOption{"rest_port", OvmsUse::kServing, "V", ""},
    OvmsOption{"grpc_bind_address", OvmsUse::kServing, "V", ""},
    OvmsOption{"rest_bind_address", OvmsUse::kServing, "V", ""},
    OvmsOption{"grpc_workers", OvmsUse::kServing, "V", ""},
    OvmsOption{"rest_workers", OvmsUse::kServing, "V", ""},
    OvmsOption{"grpc_channel_arguments", OvmsUse::kServing, "V", ""},
    OvmsOption{"grpc_max_threads", OvmsUse::kServing, "V", ""},
    OvmsOption{"grpc_memory_quota", OvmsUse::kServing, "V", ""},
    OvmsOption{"log_level", OvmsUse::kServing, "V", ""},
    OvmsOption{"log_path", OvmsUse::kServing, "V", ""},
    OvmsOption{"file_system_poll_wait_seconds", OvmsUse::kServing, "V", ""},
    OvmsOption{"sequence_cleaner_poll_wait_minutes", OvmsUse::kServing, "V", ""},
    OvmsOption{"custom_node_resources_cleaner_interval_seconds", OvmsUse::kServing, "V", ""},
    OvmsOption{"cpu_extension", OvmsUse::kServing, "V", ""},
    OvmsOption{"metrics_list", OvmsUse::kServing, "V", ""},
    OvmsOption{"allowed_local_media_path", OvmsUse::kServing, "V", ""},
    OvmsOption{"allowed_media_domains", OvmsUse::kServing, "V", ""},
    OvmsOption{"allowed_origins", OvmsUse::kServing, "V", ""},
    OvmsOption{"allowed_methods", OvmsUse::kServing, "V", ""},
    OvmsOption{"allowed_headers", OvmsUse::kServing, "V", ""},
    OvmsOption{"api_key_file", OvmsUse::kServing, "V", ""},
    OvmsOption{"metrics_enable", OvmsUse::kServing, "", ""},
};

void add_option(CLI::App& command, const OvmsOption& option, OvmsArguments& arguments) {
  const std::string name(option.name);
  const std::string spelled = "--" + name;
  CLI::Option* added = nullptr;
  if (option.value.empty()) {
    added = command.add_flag_callback(
        spelled, [&arguments, name] { arguments.flags.insert(name); }, std::string(option.help));
  } else {
    added = command
                .add_option_function<std::string>(
                    spelled,
                    [&arguments, name](const std::string& value) {
                      arguments.values.insert_or_assign(name, value);
                    },
                    std::string(option.help))
                ->option_text(std::string(option.value))
                ->take_last();
  }
  added->group(option.use == OvmsUse::kServing ? "" : "Options of OVMS");
}

}  // namespace

std::span<const OvmsOption> ovms_options() { return kOptions; }

void add_ovms_pull_options(CLI::App& command, OvmsArguments& arguments) {
  for (const OvmsOption& option : kOptions) add_option(command, option, arguments);
}

void add_ovms_model_options(CLI::App& command, OvmsArguments& arguments) {
  for (const OvmsOption& option : kOptions) {
    if (option.use == OvmsUse::kModel) add_option(command, option, arguments);
  }
}

void add_ovms_file_options(CLI::App& command, OvmsArguments& arguments) {
  static constexpr std::array<std::string_view, 4> kWanted{"model_repository_path", "config_path",
                                                           "model_name", "model_path"};
  for (const OvmsOption& option : kOptions) {
    const bool wanted = std::find(kWanted.begin(), kWanted.end(), option.name) != kWanted.end();
    if (wanted) add_option(command, option, arguments);
  }
}

}  // namespace castool::tools
