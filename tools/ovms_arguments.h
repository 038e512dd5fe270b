// OVMS's own options, as `castool pull` and `castool set` take them: under their own names.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace castool::tools {

struct OvmsArguments {
  std::set<std::string, std::less<>> flags;                // "pull", "overwrite_models", …
  std::map<std::string, std::string, std::less<>> values;  // by name without dashes in front

  [[nodiscard]] bool has(std::string_view flag) const { return flags.contains(flag); }
  // Empty when it was not given.
  [[nodiscard]] std::string value(std::string_view name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
  }
};

// What a command does with an option.
enum class OvmsUse {
  kModel,    // belongs to the model: its graph, its conversion, its name in config.json
  kPull,     // steers `ovms --pull`
  kServing,  // of the server; OVMS takes it while it pulls, and it does nothing
};

struct OvmsOption {
  std::string_view name;
  OvmsUse use;
  std::string_view value;  // what stands behind it in the help; empty for a flag
  std::string_view help;
};
[[nodiscard]] std::span<const OvmsOption> ovms_options();

// Gives `command` the options of OVMS that are of use there; `arguments` outlives it.
void add_ovms_pull_options(CLI::App& command, OvmsArguments& arguments);
void add_ovms_model_options(CLI::App& command, OvmsArguments& arguments);
// Of the commands that look at or edit files of a repository.
void add_ovms_file_options(CLI::App& command, OvmsArguments& arguments);

}  // namespace castool::tools
