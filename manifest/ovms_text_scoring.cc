// graph.pbtxt of the tasks that turn texts into numbers: embeddings and rerank. One node each.
#include <array>
#include <limits>

#include "manifest/ovms_tasks.h"

namespace castool::manifest {
namespace {

constexpr std::uint64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMaxU64 = std::numeric_limits<std::uint64_t>::max();

constexpr std::array<std::string_view, 4> kEmbeddingsOptions{"num_streams", "normalize", "truncate",
                                                             "pooling"};
constexpr std::array<std::string_view, 2> kRerankOptions{"num_streams", "max_allowed_chunks"};
constexpr std::array<std::string_view, 2> kBooleans{"true", "false"};
constexpr std::array<std::string_view, 3> kPoolings{"CLS", "LAST", "MEAN"};

struct Names {
  const char* node;
  const char* calculator;
  const char* side_packet;
  const char* options;
};

constexpr Names kEmbeddings{"EmbeddingsExecutor", "EmbeddingsCalculatorOV",
                            "EMBEDDINGS_NODE_RESOURCES:embeddings_servable",
                            "[type.googleapis.com/mediapipe.EmbeddingsCalculatorOVOptions]:"};
constexpr Names kRerank{"RerankExecutor", "RerankCalculatorOV",
                        "RERANK_NODE_RESOURCES:rerank_servable",
                        "[type.googleapis.com/mediapipe.RerankCalculatorOVOptions]:"};

base::Result<std::string> streams_config(const OvmsOptions& options) {
  PluginAdditions additions;
  CASTOOL_ASSIGN(const auto streams, number_option(options, "num_streams", kMaxU32));
  additions.num_streams = streams.value_or(1);
  return plugin_config(options, additions);
}

// Everything around the options of the one task, which stand open when this returns.
void open_graph(const Names& names, const GraphInput& input, PbtxtWriter& out) {
  out.text("input_stream", "REQUEST_PAYLOAD:input");
  out.text("output_stream", "RESPONSE_PAYLOAD:output");
  out.open("node");
  out.text("name", names.node);
  out.text("calculator", names.calculator);
  out.text("input_side_packet", names.side_packet);
  out.text("input_stream", "REQUEST_PAYLOAD:input");
  out.text("output_stream", "RESPONSE_PAYLOAD:output");
  out.open("node_options:");
  out.open(names.options);
  out.text("models_path", input.models_path);
}

std::string close_graph(const GraphInput& input, const std::string& config, PbtxtWriter& out) {
  if (const auto device = device_option(input.options, input.version)) {
    out.text("target_device", *device);
  }
  if (!config.empty()) out.text("plugin_config", config);
  out.close();
  out.close();
  out.close();
  return out.take();
}

}  // namespace

base::Result<std::string> embeddings_graph(const GraphInput& input) {
  const OvmsOptions& options = input.options;
  CASTOOL_RETURN_IF_ERROR(check_option_names("embeddings", options, kEmbeddingsOptions));
  CASTOOL_ASSIGN(const auto normalize, word_option(options, "normalize", kBooleans));
  CASTOOL_ASSIGN(const auto truncate, word_option(options, "truncate", kBooleans));
  CASTOOL_ASSIGN(const auto pooling, word_option(options, "pooling", kPoolings));
  CASTOOL_ASSIGN(const std::string config, streams_config(options));
  PbtxtWriter out;
  open_graph(kEmbeddings, input, out);
  out.literal("normalize_embeddings", normalize.value_or("true"));
  out.literal("truncate", truncate.value_or("false"));
  if (pooling) out.literal("pooling", *pooling);
  return close_graph(input, config, out);
}

base::Result<std::string> rerank_graph(const GraphInput& input) {
  CASTOOL_RETURN_IF_ERROR(check_option_names("rerank", input.options, kRerankOptions));
  CASTOOL_ASSIGN(const auto chunks, number_option(input.options, "max_allowed_chunks", kMaxU64));
  CASTOOL_ASSIGN(const std::string config, streams_config(input.options));
  PbtxtWriter out;
  open_graph(kRerank, input, out);
  out.literal("max_allowed_chunks", chunks.value_or(10'000));
  return close_graph(input, config, out);
}

}  // namespace castool::manifest
