// The tasks that a graph can be made for: one file a task, one row each in ovms_graph.cc.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "manifest/ovms_options.h"

namespace castool::manifest {

// The graph without its header lines; as ovms_graph() otherwise.
[[nodiscard]] base::Result<std::string> text_generation_graph(const OvmsOptions& options,
                                                              std::string_view models_path);

}  // namespace castool::manifest
