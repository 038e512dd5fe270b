// What the options of OVMS among the arguments of `pull` mean, checked as OVMS checks them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/arguments.h"
#include "tools/settings.h"

namespace castool::tools {

enum class OvmsAction { kPull, kListModels, kAddToConfig, kRemoveFromConfig, kConfigure };

struct OvmsRequest {
  OvmsAction action = OvmsAction::kPull;
  // Written as `ovms --pull ARGS`: options are all there are, and a task is a must.
  bool as_ovms = false;
  std::string source_model;                    // empty: sources came as castool takes them
  std::optional<std::string> repository_path;  // --model_repository_path, or OVMS's variable
  std::string config_path;                     // what was given, or config.json of the repository
  std::string model_path;
  std::string model_name;
  bool overwrite = false;
  bool convert = false;  // with optimum-cli (--weight-format, --extra_quantization_params)
  std::string task;
  std::map<std::string, std::string> options;  // to be kept with the ref
  std::vector<std::string> gguf_files;         // all parts of --gguf_filename
};

// kUsage naming option and value; kUnsupported where OVMS exits with 1. Whether the options fit
// the task is checked when the task is known. Pure.
[[nodiscard]] base::Result<OvmsRequest> ovms_request(const PullArguments& arguments,
                                                     const Variables& variables);

}  // namespace castool::tools
