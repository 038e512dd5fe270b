// What optimum-cli is to export a model for. It asks the Hub when it is not told, and a conversion
// asks nobody. Pure.
#pragma once

#include <string>
#include <string_view>

namespace castool::tools {

// The value of --task for a model that OVMS uses for `task`, from the texts of its config.json and
// model_index.json (empty where there is none); the names are those of optimum 2.3. Empty where the
// command says it already.
[[nodiscard]] std::string export_task(std::string_view task, std::string_view config,
                                      std::string_view model_index);

}  // namespace castool::tools
