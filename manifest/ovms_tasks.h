// The tasks that a graph can be made for: one row each in ovms_graph.cc.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "manifest/ovms_options.h"
#include "manifest/pbtxt_writer.h"

namespace castool::manifest {

// What every task's graph is made from.
struct GraphInput {
  const OvmsOptions& options;
  std::string_view models_path;
  OvmsVersion version;
};

// The graph without its header lines; as ovms_graph() otherwise.
[[nodiscard]] base::Result<std::string> text_generation_graph(const GraphInput& input);
[[nodiscard]] base::Result<std::string> embeddings_graph(const GraphInput& input);
[[nodiscard]] base::Result<std::string> rerank_graph(const GraphInput& input);
[[nodiscard]] base::Result<std::string> image_generation_graph(const GraphInput& input);
[[nodiscard]] base::Result<std::string> text2speech_graph(const GraphInput& input);
[[nodiscard]] base::Result<std::string> speech2text_graph(const GraphInput& input);

// What a node that feeds its own output back needs: the fields of the loop's streams, the mark of
// the back edge and the handler that waits for both inputs apart.
void write_loopback_mark(PbtxtWriter& out);
void write_loopback_handler(PbtxtWriter& out);

}  // namespace castool::manifest
