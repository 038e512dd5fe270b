// graph.pbtxt of the tasks between text and speech; the one that listens runs in a loop.
#include <array>
#include <limits>

#include "manifest/ovms_tasks.h"

namespace castool::manifest {
namespace {

constexpr std::uint64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::array<std::string_view, 1> kOptions{"num_streams"};

enum class Loop { kNo, kYes };

struct Names {
  const char* node;
  const char* calculator;
  const char* side_packet;
  const char* options;
};

constexpr Names kSpeaker{"T2sExecutor", "T2sCalculator", "TTS_NODE_RESOURCES:t2s_servable",
                         "[type.googleapis.com/mediapipe.T2sCalculatorOptions]:"};
constexpr Names kListener{"S2tExecutor", "S2tCalculator", "STT_NODE_RESOURCES:s2t_servable",
                          "[type.googleapis.com/mediapipe.S2tCalculatorOptions]:"};

base::Result<std::string> speech_graph(const GraphInput& input, const Names& names, Loop loop) {
  PluginAdditions additions;
  CASTOOL_ASSIGN(const auto streams, number_option(input.options, "num_streams", kMaxU32));
  additions.num_streams = streams.value_or(1);
  CASTOOL_ASSIGN(const std::string config, plugin_config(input.options, additions));
  PbtxtWriter out;
  out.text("input_stream", "HTTP_REQUEST_PAYLOAD:input");
  out.text("output_stream", "HTTP_RESPONSE_PAYLOAD:output");
  out.open("node");
  out.text("name", names.node);
  out.text("calculator", names.calculator);
  out.text("input_side_packet", names.side_packet);
  if (loop == Loop::kYes) out.text("input_stream", "LOOPBACK:loopback");
  out.text("input_stream", "HTTP_REQUEST_PAYLOAD:input");
  if (loop == Loop::kYes) out.text("output_stream", "LOOPBACK:loopback");
  out.text("output_stream", "HTTP_RESPONSE_PAYLOAD:output");
  if (loop == Loop::kYes) write_loopback_mark(out);
  out.open("node_options:");
  out.open(names.options);
  out.text("models_path", input.models_path);
  if (const auto device = device_option(input.options, input.version)) {
    out.text("target_device", *device);
  }
  if (!config.empty()) out.text("plugin_config", config);
  out.close();
  out.close();
  if (loop == Loop::kYes) write_loopback_handler(out);
  out.close();
  return out.take();
}

}  // namespace

base::Result<std::string> text2speech_graph(const GraphInput& input) {
  CASTOOL_RETURN_IF_ERROR(check_option_names("text2speech", input.options, kOptions));
  return speech_graph(input, kSpeaker, Loop::kNo);
}

base::Result<std::string> speech2text_graph(const GraphInput& input) {
  CASTOOL_RETURN_IF_ERROR(check_option_names("speech2text", input.options, kOptions));
  return speech_graph(input, kListener, Loop::kYes);
}

}  // namespace castool::manifest
