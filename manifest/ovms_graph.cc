#include "manifest/ovms_graph.h"

#include <array>

#include <fmt/format.h>

#include "manifest/ovms_tasks.h"
#include "manifest/printable.h"

namespace castool::manifest {
namespace {

struct Task {
  std::string_view name;
  base::Result<std::string> (*graph)(const GraphInput&);
};

constexpr std::array<Task, 6> kTasks{{{"text_generation", text_generation_graph},
                                      {"embeddings", embeddings_graph},
                                      {"rerank", rerank_graph},
                                      {"image_generation", image_generation_graph},
                                      {"text2speech", text2speech_graph},
                                      {"speech2text", speech2text_graph}}};

// The first line is only a comment; OVMS reads the second and sizes its queue of graphs by it.
std::string header(OvmsVersion version) {
  std::string text = fmt::format("# File created with: castool, for OpenVINO Model Server {}.{}\n",
                                 version.year, version.release);
  if (version >= kOvmsQueueLine) text += "# OVMS_GRAPH_QUEUE_MAX_SIZE: AUTO\n";
  return text + "\n";
}

std::string known_tasks() {
  std::string names;
  for (const Task& task : kTasks) {
    if (!names.empty()) names += ", ";
    names += task.name;
  }
  return names;
}

}  // namespace

base::Status check_ovms_task(std::string_view task) {
  for (const Task& known : kTasks) {
    if (known.name == task) return base::ok();
  }
  return bad_option("task", task, "supported tasks: " + known_tasks());
}

base::Result<std::string> ovms_graph(std::string_view task,
                                     const std::map<std::string, std::string>& options,
                                     std::string_view models_path) {
  for (const Task& known : kTasks) {
    if (known.name != task) continue;
    CASTOOL_ASSIGN(const OvmsVersion version, ovms_version(options));
    CASTOOL_ASSIGN(const std::string graph, known.graph({options, models_path, version}));
    return header(version) + graph;
  }
  return base::make_error(base::Code::kUnsupported, "no graph for task " + printable(task),
                          "supported: " + known_tasks());
}

}  // namespace castool::manifest
