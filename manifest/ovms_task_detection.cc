#include "manifest/ovms_task_detection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <string_view>
#include <vector>

#include "manifest/json_value.h"

namespace castool::manifest {
namespace {

constexpr JsonLimits kLimits{4u << 20, 200'000};

// A text with '*' at its beginning or end.
bool matches(std::string_view text, std::string_view pattern) {
  if (pattern.starts_with('*')) return text.ends_with(pattern.substr(1));
  if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
  return text == pattern;
}

struct Facts {
  std::vector<std::string> architectures;
  bool mel_filters = false;  // n_mels in a config without architectures
  std::string pipeline;      // _class_name of model_index.json
  bool has_modules = false;
  bool scores = false;  // a module that scores pairs
  bool pools = false;
  std::string id;  // in lower case

  [[nodiscard]] bool any(std::span<const std::string_view> patterns) const {
    return std::ranges::any_of(architectures, [&](const std::string& name) {
      return std::ranges::any_of(patterns, [&](std::string_view p) { return matches(name, p); });
    });
  }
  // Of a language model that is used for something else: its modules say so, or else its name.
  [[nodiscard]] bool qwen_named(std::string_view word) const {
    static constexpr std::array<std::string_view, 1> kQwen{"Qwen3ForCausalLM"};
    return any(kQwen) && !has_modules && id.find(word) != std::string::npos;
  }
};

void read_config(const std::string& text, Facts& facts) {
  const auto config = parse_json(text, kLimits, "config.json");
  if (!config) return;
  const JsonValue* list = config->find("architectures");
  if (list == nullptr || list->is_null()) {
    facts.mel_filters = config->find("n_mels") != nullptr;
  } else if (list->array() != nullptr) {
    for (const JsonValue& name : *list->array()) {
      if (name.string() != nullptr) facts.architectures.push_back(*name.string());
    }
  }
}

void read_modules(const std::string& text, Facts& facts) {
  const auto modules = parse_json(text, kLimits, "modules.json");
  if (!modules || modules->array() == nullptr) return;
  facts.has_modules = true;
  for (const JsonValue& module : *modules->array()) {
    const JsonValue* type = module.find("type");
    if (type == nullptr || type->string() == nullptr) continue;
    const auto has = [type](const char* word) {
      return type->string()->find(word) != std::string::npos;
    };
    facts.scores = facts.scores || has("LogitScore") || has("CrossEncoder");
    facts.pools = facts.pools || has("Pooling");
  }
}

Facts read_facts(const ModelMetadata& metadata) {
  Facts facts;
  facts.id = metadata.id;
  std::ranges::transform(facts.id, facts.id.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (metadata.modules) read_modules(*metadata.modules, facts);
  if (metadata.config) {
    read_config(*metadata.config, facts);
  } else if (metadata.model_index) {
    const auto index = parse_json(*metadata.model_index, kLimits, "model_index.json");
    const JsonValue* name = index ? index->find("_class_name") : nullptr;
    if (name != nullptr && name->string() != nullptr) facts.pipeline = *name->string();
  }
  return facts;
}

bool is_image_generation(const Facts& facts) {
  static constexpr std::array<std::string_view, 4> kParts{"CLIPTextModel", "UNet2DConditionModel",
                                                          "AutoencoderKL", "*Transformer2DModel"};
  return facts.any(kParts) || facts.pipeline.find("StableDiffusion") != std::string::npos ||
         facts.pipeline.find("Flux") != std::string::npos;
}

}  // namespace

std::string detect_ovms_task(const ModelMetadata& metadata) {
  static constexpr std::array<std::string_view, 3> kListeners{"Whisper*", "Qwen3ASR*",
                                                              "SeamlessM4T*"};
  static constexpr std::array<std::string_view, 2> kSpeakers{"ParlerTTS*", "*ForTextToSpeech"};
  static constexpr std::array<std::string_view, 1> kRankers{"*ForSequenceClassification"};
  // Ends like an encoder and is none.
  static constexpr std::array<std::string_view, 1> kChatModels{"InternVLChatModel"};
  static constexpr std::array<std::string_view, 1> kEncoders{"*Model"};
  static constexpr std::array<std::string_view, 2> kGenerators{"*ForCausalLM",
                                                               "*ForConditionalGeneration"};
  const Facts facts = read_facts(metadata);
  if (facts.any(kListeners)) return "speech2text";
  if (facts.mel_filters || facts.any(kSpeakers)) return "text2speech";
  if (facts.scores || facts.any(kRankers) || facts.qwen_named("rerank")) return "rerank";
  if (is_image_generation(facts)) return "image_generation";
  if (facts.any(kChatModels)) return "text_generation";
  if (facts.pools || facts.any(kEncoders) || facts.qwen_named("embed")) return "embeddings";
  if (facts.any(kGenerators)) return "text_generation";
  return {};
}

}  // namespace castool::manifest
