// graph.pbtxt of task image_generation, with LoRA adapters.
#include <algorithm>
#include <array>
#include <limits>

#include "manifest/ovms_loras.h"
#include "manifest/ovms_tasks.h"

namespace castool::manifest {
namespace {

constexpr std::uint64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();

constexpr std::array<std::string_view, 9> kOptions{"resolution",
                                                   "max_resolution",
                                                   "default_resolution",
                                                   "num_images_per_prompt",
                                                   "guidance_scale",
                                                   "max_num_images_per_prompt",
                                                   "default_num_inference_steps",
                                                   "max_num_inference_steps",
                                                   "num_streams"};

base::Result<std::optional<std::uint64_t>> count_option(const OvmsOptions& options,
                                                        std::string_view name) {
  CASTOOL_ASSIGN(const auto value, number_option(options, name, kMaxU32));
  if (value == 0u) return bad_option(name, "0", "it must be greater than 0");
  return value;
}

// <digits>x<digits>
base::Status check_resolution(const OvmsOptions& options, std::string_view name) {
  const auto text = option(options, name);
  if (!text) return base::ok();
  const auto digits = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const std::size_t cross = text->find('x');
  const std::string_view view = *text;
  if (cross != std::string::npos && digits(view.substr(0, cross)) &&
      digits(view.substr(cross + 1))) {
    return base::ok();
  }
  return bad_option(name, *text, "WIDTHxHEIGHT, such as 512x512");
}

base::Status write_figures(const OvmsOptions& options, PbtxtWriter& out) {
  const auto write_text = [&](const char* name) {
    if (const auto text = option(options, name)) out.text(name, *text);
  };
  const auto write_count = [&](const char* name) -> base::Status {
    CASTOOL_ASSIGN(const auto count, count_option(options, name));
    if (count) out.literal(name, *count);
    return base::ok();
  };
  write_text("resolution");
  CASTOOL_ASSIGN(const auto images, number_option(options, "num_images_per_prompt", kMaxU32));
  if (images) out.literal("num_images_per_prompt", *images);
  CASTOOL_ASSIGN(const auto guidance, float_option(options, "guidance_scale"));
  if (guidance) out.literal("guidance_scale", *guidance);
  for (const char* name : {"max_resolution", "default_resolution"}) {
    CASTOOL_RETURN_IF_ERROR(check_resolution(options, name));
    write_text(name);
  }
  CASTOOL_RETURN_IF_ERROR(write_count("max_num_images_per_prompt"));
  CASTOOL_RETURN_IF_ERROR(write_count("default_num_inference_steps"));
  return write_count("max_num_inference_steps");
}

void write_adapter(const LoraAdapter& adapter, bool npu, PbtxtWriter& out) {
  out.open("lora_adapters");
  out.text("alias", adapter.alias);
  out.text("path", adapter.graph_path());
  if (adapter.alpha) out.literal("alpha", *adapter.alpha);
  out.literal("mode", npu ? "STATIC" : "DYNAMIC");
  out.close();
}

void write_composite(const LoraComposite& composite, PbtxtWriter& out) {
  out.open("composite_lora_adapters");
  out.text("alias", composite.alias);
  for (const LoraComponent& component : composite.components) {
    out.open("components");
    out.text("adapter_alias", component.alias);
    if (component.alpha) out.literal("alpha", *component.alpha);
    out.close();
  }
  out.close();
}

base::Status write_loras(const OvmsOptions& options, bool npu, PbtxtWriter& out) {
  CASTOOL_ASSIGN(const SourceLoras loras,
                 parse_source_loras(option(options, "source_loras").value_or("")));
  if (npu && loras.adapters.size() > 1 && loras.composites.empty()) {
    return base::make_error(base::Code::kUsage,
                            "source_loras: several adapters on target_device NPU need a composite",
                            "add one that combines them, such as all=@" + loras.adapters[0].alias +
                                "+@" + loras.adapters[1].alias);
  }
  for (const LoraAdapter& adapter : loras.adapters) write_adapter(adapter, npu, out);
  for (const LoraComposite& composite : loras.composites) write_composite(composite, out);
  return base::ok();
}

}  // namespace

base::Result<std::string> image_generation_graph(const GraphInput& input) {
  const OvmsOptions& options = input.options;
  CASTOOL_RETURN_IF_ERROR(check_option_names("image_generation", options, kOptions));
  const auto device = device_option(options, input.version);
  PluginAdditions additions;
  CASTOOL_ASSIGN(additions.num_streams, count_option(options, "num_streams"));
  CASTOOL_ASSIGN(const std::string config, plugin_config(options, additions));
  PbtxtWriter out;
  out.text("input_stream", "HTTP_REQUEST_PAYLOAD:input");
  out.text("output_stream", "HTTP_RESPONSE_PAYLOAD:output");
  out.open("node:");
  out.text("name", "ImageGenExecutor");
  out.text("calculator", "ImageGenCalculator");
  out.text("input_stream", "HTTP_REQUEST_PAYLOAD:input");
  out.text("input_side_packet", "IMAGE_GEN_NODE_RESOURCES:pipes");
  out.text("output_stream", "HTTP_RESPONSE_PAYLOAD:output");
  out.open("node_options:");
  out.open("[type.googleapis.com/mediapipe.ImageGenCalculatorOptions]:");
  out.text("models_path", input.models_path);
  if (device) out.text("device", *device);
  if (!config.empty()) out.text("plugin_config", config);
  CASTOOL_RETURN_IF_ERROR(write_figures(options, out));
  const bool npu = device && device->find("NPU") != std::string::npos;
  CASTOOL_RETURN_IF_ERROR(write_loras(options, npu, out));
  out.close();
  out.close();
  out.close();
  return out.take();
}

}  // namespace castool::manifest
