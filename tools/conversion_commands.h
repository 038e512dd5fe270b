// The commands that turn a repository into OpenVINO's format, as OVMS runs them. Argument lists for
// exec; no shell reads them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace castool::tools {

struct Conversion {
  std::string task;
  std::string source;         // "org/name"
  std::string weight_format;  // empty: int8
  std::string extra;          // --extra_quantization_params: words, blanks within quotes kept
  std::string model_type;     // text2speech: "kokoro", or empty
  std::string vocoder;        // text2speech: a repository, or empty
  std::string target_device;
  std::string export_task;  // for --task where neither OVMS nor `extra` says one (export_task.h)
};

// kUsage for words with an open quote.
[[nodiscard]] base::Result<std::vector<std::string>> export_command(const Conversion& conversion,
                                                                    const std::string& output);
// For what is exported without a tokenizer; none for a task that has none.
[[nodiscard]] std::optional<std::vector<std::string>> tokenizer_command(
    const Conversion& conversion, const std::string& output);

}  // namespace castool::tools
