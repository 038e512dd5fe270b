// config.json of OVMS, edited as OVMS's own options do it. OVMS refuses a whole file for one key
// that it does not know, so an entry gets no more than its name and its path.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "tools/output.h"
#include "tools/ovms_directory.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using nlohmann::ordered_json;

constexpr std::size_t kMaxConfig = 16u << 20;
constexpr const char* kModels = "model_config_list";
constexpr const char* kGraphs = "mediapipe_config_list";

base::Error refuse(std::string message, std::string hint = {}) {
  return make_error(Code::kUnsupported, std::move(message), std::move(hint));
}

Result<ordered_json> read_config(std::string_view text) {
  if (text.empty()) return ordered_json{{kModels, ordered_json::array()}};
  if (text.size() > kMaxConfig) return refuse("config.json is too large");
  ordered_json config = ordered_json::parse(text, nullptr, false);
  const bool usable = config.is_object() && config.contains(kModels) && config[kModels].is_array();
  if (!usable)
    return refuse("config.json is no configuration of OVMS",
                  "it has to be an object with model_config_list");
  return config;
}

std::string name_in(const ordered_json& entry) {
  const ordered_json* config = &entry;
  if (entry.is_object() && entry.contains("config")) config = &entry["config"];
  if (!config->is_object() || !config->contains("name") || !(*config)["name"].is_string())
    return {};
  return (*config)["name"].get<std::string>();
}

std::string print(const ordered_json& config) {
  return config.dump(4, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

bool is_named(const ordered_json& config, const char* list, std::string_view name) {
  if (!config.contains(list) || !config[list].is_array()) return false;
  return std::ranges::any_of(config[list],
                             [name](const ordered_json& entry) { return name_in(entry) == name; });
}

}  // namespace

Result<std::string> config_with(std::string_view text, std::string_view name,
                                std::string_view base_path) {
  CASTOOL_ASSIGN(ordered_json config, read_config(text));
  if (is_named(config, kModels, name) || is_named(config, kGraphs, name)) {
    return refuse("model_name " + printable(name) + " is in config.json already",
                  "--remove_from_config takes it out");
  }
  config[kModels].push_back({{"config", {{"name", name}, {"base_path", base_path}}}});
  return print(config);
}

Result<std::string> config_without(std::string_view text, std::string_view name) {
  CASTOOL_ASSIGN(ordered_json config, read_config(text));
  if (!is_named(config, kModels, name) && !is_named(config, kGraphs, name)) {
    return refuse("model_name " + printable(name) + " is not in config.json");
  }
  for (const char* list : {kModels, kGraphs}) {
    if (!config.contains(list) || !config[list].is_array()) continue;
    ordered_json kept = ordered_json::array();
    for (const ordered_json& entry : config[list]) {
      if (name_in(entry) != name) kept.push_back(entry);
    }
    config[list] = std::move(kept);
  }
  return print(config);
}

}  // namespace castool::tools
