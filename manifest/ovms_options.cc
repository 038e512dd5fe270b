#include "manifest/ovms_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "manifest/json_value.h"
#include "manifest/printable.h"

namespace castool::manifest {
namespace {

using nlohmann::ordered_json;

// Options that every task takes, whether they show in the graph or only steer the pull.
constexpr std::array<std::string_view, 18> kSharedOptions{"allow-remote-code",
                                                          "cache_dir",
                                                          "config_path",
                                                          "extra_quantization_params",
                                                          "gguf_filename",
                                                          "model_name",
                                                          "model_path",
                                                          "model_type",
                                                          "model_repository_path",
                                                          "overwrite_models",
                                                          "ovms-version",
                                                          "plugin_config",
                                                          "source_loras",
                                                          "source_model",
                                                          "target_device",
                                                          "task",
                                                          "vocoder",
                                                          "weight-format"};

bool contains(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

std::string joined(std::span<const std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out += ", ";
    out += word;
  }
  return out;
}

base::Error unusable(std::string message) {
  return base::make_error(base::Code::kUnsupported, std::move(message),
                          "give --plugin_config one JSON object, without what other options set");
}

base::Status add_once(ordered_json& config, const char* key, ordered_json value) {
  if (config.contains(key)) {
    return unusable(std::string("Doubled ") + key + " parameter in plugin config");
  }
  config[key] = std::move(value);
  return base::ok();
}

base::Result<ordered_json> users_config(const OvmsOptions& options) {
  const auto text = option(options, "plugin_config");
  if (!text || text->empty()) return ordered_json::object();
  const auto refused = [&text](const std::string& rule) {
    return unusable("Plugin config is in wrong format: plugin_config " + printable(*text) + rule);
  };
  // Bounds the depth before anything recurses over it, and refuses a key that is there twice.
  constexpr JsonLimits kLimits{64u << 10, 10'000};
  const auto checked = parse_json(*text, kLimits, "");
  if (!checked) return refused(checked.error().message);
  if (checked->object() == nullptr) return refused(": not an object");
  return ordered_json::parse(*text, nullptr, false);
}

// {"DEVICE_PROPERTIES":{"NPU":{"NPUW_LLM_ENABLE_PREFIX_CACHING":true}}}, into what the user has.
base::Status add_npu_prefix_caching(ordered_json& config) {
  ordered_json* level = &config;
  for (const char* key : {"DEVICE_PROPERTIES", "NPU"}) {
    if (!level->contains(key)) (*level)[key] = ordered_json::object();
    level = &(*level)[key];
    if (!level->is_object()) return unusable(std::string(key) + " in plugin config is no object");
  }
  return add_once(*level, "NPUW_LLM_ENABLE_PREFIX_CACHING", true);
}

base::Status add_all(ordered_json& config, const OvmsOptions& options,
                     const PluginAdditions& additions) {
  if (additions.kv_cache_precision) {
    CASTOOL_RETURN_IF_ERROR(add_once(config, "KV_CACHE_PRECISION", *additions.kv_cache_precision));
  }
  if (additions.max_prompt_len) {
    CASTOOL_RETURN_IF_ERROR(add_once(config, "MAX_PROMPT_LEN", *additions.max_prompt_len));
  }
  if (additions.model_distribution_policy) {
    CASTOOL_RETURN_IF_ERROR(
        add_once(config, "MODEL_DISTRIBUTION_POLICY", *additions.model_distribution_policy));
  }
  // The default 1 gives way to what the user set; another number does not.
  const bool users_streams = config.contains("NUM_STREAMS") && additions.num_streams == 1u;
  if (additions.num_streams && !users_streams) {
    CASTOOL_RETURN_IF_ERROR(
        add_once(config, "NUM_STREAMS", std::to_string(*additions.num_streams)));
  }
  if (const auto cache = option(options, "cache_dir"); cache && !cache->empty()) {
    CASTOOL_RETURN_IF_ERROR(add_once(config, "CACHE_DIR", *cache));
  }
  if (additions.npu_prefix_caching) CASTOOL_RETURN_IF_ERROR(add_npu_prefix_caching(config));
  return base::ok();
}

bool is_device(std::string_view text) {
  constexpr std::array<std::string_view, 3> kPlain{"CPU", "GPU", "NPU"};
  if (contains(kPlain, text) || text.starts_with("HETERO") || text.starts_with("AUTO")) return true;
  return text.starts_with("GPU.") && text.size() > 4 &&
         text.find_first_not_of("0123456789", 4) == std::string_view::npos;
}

}  // namespace

base::Error bad_option(std::string_view option, std::string_view value, std::string_view rule) {
  std::string message(option);
  message += ": " + printable(value) + " is not allowed";
  return base::make_error(base::Code::kUsage, std::move(message), std::string(rule));
}

base::Status check_option_names(std::string_view task, const OvmsOptions& options,
                                std::span<const std::string_view> task_options) {
  for (const auto& [name, value] : options) {
    if (contains(task_options, name) || contains(kSharedOptions, name)) continue;
    std::string message = "task " + std::string(task) + " has no option --" + name + " (given as " +
                          printable(value) + ")";
    return base::make_error(base::Code::kUsage, std::move(message),
                            "options of this task: " + joined(task_options));
  }
  return base::ok();
}

std::optional<std::string> option(const OvmsOptions& options, std::string_view name) {
  const auto found = options.find(std::string(name));
  if (found == options.end()) return std::nullopt;
  return found->second;
}

base::Result<std::optional<std::uint64_t>> number_option(const OvmsOptions& options,
                                                         std::string_view name,
                                                         std::uint64_t limit) {
  const auto text = option(options, name);
  if (!text) return std::optional<std::uint64_t>();
  std::uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end || value > limit) {
    return bad_option(name, *text, "a whole number up to " + std::to_string(limit));
  }
  return std::optional(value);
}

base::Result<std::optional<std::string>> word_option(const OvmsOptions& options,
                                                     std::string_view name,
                                                     std::span<const std::string_view> allowed) {
  auto text = option(options, name);
  if (text && !contains(allowed, *text)) {
    return bad_option(name, *text, "supported values: " + joined(allowed));
  }
  return text;
}

base::Result<std::optional<std::string>> float_option(const OvmsOptions& options,
                                                      std::string_view name) {
  const auto text = option(options, name);
  if (!text) return std::optional<std::string>();
  float value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) {
    return bad_option(name, *text, "a number such as 7.5");
  }
  return std::optional(fmt::format("{}", value));
}

base::Result<OvmsVersion> ovms_version(const OvmsOptions& options) {
  const auto text = option(options, "ovms-version");
  if (!text || text->empty()) return OvmsVersion{};
  OvmsVersion version;
  const char* const end = text->data() + text->size();
  const auto year = std::from_chars(text->data(), end, version.year);
  const bool dot = year.ec == std::errc() && year.ptr != end && *year.ptr == '.';
  const auto release = dot ? std::from_chars(year.ptr + 1, end, version.release) : year;
  const bool whole = release.ptr == end || *release.ptr == '.';
  if (!dot || release.ec != std::errc() || !whole || version.year < 2018 || version.release < 0) {
    return bad_option("ovms-version", *text, "a release such as 2026.3");
  }
  return version;
}

std::optional<std::string> device_option(const OvmsOptions& options, OvmsVersion version) {
  auto device = option(options, "target_device");
  if (device && !device->empty()) return device;
  if (version < kOvmsChoosesDevice) return "CPU";
  return std::nullopt;
}

std::string draft_directory(std::string_view source) {
  std::string directory(source);
  std::ranges::replace(directory, '/', '-');
  return directory;
}

base::Status check_device(const OvmsOptions& options) {
  const auto device = option(options, "target_device");
  if (!device || device->empty() || is_device(*device)) return base::ok();
  return bad_option("target_device", *device,
                    "supported devices: CPU, GPU, NPU, GPU.<number>, AUTO..., HETERO...");
}

base::Result<std::string> plugin_config(const OvmsOptions& options,
                                        const PluginAdditions& additions) {
  CASTOOL_ASSIGN(ordered_json config, users_config(options));
  CASTOOL_RETURN_IF_ERROR(add_all(config, options, additions));
  if (config.empty()) return std::string();
  return config.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace castool::manifest
