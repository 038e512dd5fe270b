// The graph.pbtxt that OVMS expects beside a model, from a ref's task and options; in the form of
// 2026.3 unless option "ovms-version" names an older release.
// Means the same as the one `ovms --pull` writes; layout is ours. Pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::manifest {

// kUsage for a task that OVMS does not have.
[[nodiscard]] base::Status check_ovms_task(std::string_view task);

// `models_path`: "./" (then option gguf_filename, if any, names the file), "./<file>.gguf", or "."
// as `ovms --configure` writes it. Options are OVMS's own names without dashes in front
// ("max_num_seqs"); absent ones have OVMS's defaults. kUsage naming option and value when one is
// wrong, kUnsupported for a task not known here.
[[nodiscard]] base::Result<std::string> ovms_graph(
    std::string_view task, const std::map<std::string, std::string>& options,
    std::string_view models_path);

}  // namespace castool::manifest
