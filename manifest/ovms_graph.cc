#include "manifest/ovms_graph.h"

#include <array>

#include "manifest/ovms_tasks.h"
#include "manifest/printable.h"

namespace castool::manifest {
namespace {

struct Task {
  std::string_view name;
  base::Result<std::string> (*graph)(const OvmsOptions&, std::string_view models_path);
};

constexpr std::array kTasks{Task{"text_generation", text_generation_graph}};

// The first line is only a comment; OVMS reads the second and sizes its queue of graphs by it.
constexpr std::string_view kHeader =
    "# File created with: castool, for OpenVINO Model Server 2026.3\n"
    "# OVMS_GRAPH_QUEUE_MAX_SIZE: AUTO\n"
    "\n";

}  // namespace

base::Result<std::string> ovms_graph(std::string_view task,
                                     const std::map<std::string, std::string>& options,
                                     std::string_view models_path) {
  for (const Task& known : kTasks) {
    if (known.name != task) continue;
    CASTOOL_ASSIGN(const std::string graph, known.graph(options, models_path));
    return std::string(kHeader) + graph;
  }
  return base::make_error(base::Code::kUnsupported, "no graph for task " + printable(task),
                          "supported: text_generation");
}

}  // namespace castool::manifest
