// Which task OVMS takes a repository for, from what its metadata files say: the architectures of
// config.json (or the class in model_index.json), and the modules of sentence transformers. Pure.
#pragma once

#include <optional>
#include <string>

namespace castool::manifest {

// Texts of the files at the top of a repository; none for one that is not there.
struct ModelMetadata {
  std::string id;                          // "org/name"
  std::optional<std::string> config;       // config.json
  std::optional<std::string> model_index;  // model_index.json, looked at without config.json only
  std::optional<std::string> modules;      // modules.json
};

// Empty when it is none that OVMS knows, or the files are no JSON.
[[nodiscard]] std::string detect_ovms_task(const ModelMetadata& metadata);

}  // namespace castool::manifest
