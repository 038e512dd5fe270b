#include "tools/export_task.h"

#include <algorithm>
#include <array>

#include "manifest/json_value.h"

namespace castool::tools {
namespace {

using manifest::JsonValue;

JsonValue parsed(std::string_view text) {
  constexpr manifest::JsonLimits kLimits{4u << 20, 100'000, 32};
  auto value = manifest::parse_json(text, kLimits, "metadata");
  return value ? *std::move(value) : JsonValue();
}

// Models that are given pictures say so by a part of their configuration.
bool reads_pictures(const JsonValue& config) {
  static constexpr std::array kParts{"vision_config", "vision_tower", "mm_vision_tower",
                                     "img_processor", "embd_layer"};
  return std::ranges::any_of(kParts,
                             [&config](const char* part) { return config.find(part) != nullptr; });
}

bool is_true(const JsonValue* value) {
  return value != nullptr && value->boolean() != nullptr && *value->boolean();
}

// With the past where there is one: what was read before is not computed again for each word.
std::string generation_task(const JsonValue& config) {
  if (reads_pictures(config)) return "image-text-to-text";
  if (is_true(config.find("is_encoder_decoder"))) return "text2text-generation-with-past";
  return "text-generation-with-past";
}

std::string image_task(const JsonValue& model_index) {
  const JsonValue* name = model_index.find("_class_name");
  const std::string pipeline =
      name != nullptr && name->string() != nullptr ? *name->string() : std::string();
  const auto has = [&pipeline](std::string_view word) {
    return pipeline.find(word) != std::string::npos;
  };
  if (has("Inpaint") || has("Fill")) return "inpainting";
  if (has("Img2Img") || has("Kontext")) return "image-to-image";
  return "text-to-image";
}

}  // namespace

std::string export_task(std::string_view task, std::string_view config,
                        std::string_view model_index) {
  if (task == "text_generation") return generation_task(parsed(config));
  if (task == "image_generation") return image_task(parsed(model_index));
  if (task == "speech2text") return "automatic-speech-recognition-with-past";
  if (task == "text2speech") return "text-to-audio-with-past";
  return {};
}

}  // namespace castool::tools
