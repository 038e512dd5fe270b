#include "api/model_facts.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "manifest/file_header.h"
#include "manifest/json_value.h"

namespace castool::api {
namespace {

using base::Result;
using manifest::JsonValue;

constexpr std::string_view kImage = "application/vnd.ollama.image.";
constexpr std::uint64_t kMaxText = 4u << 20;
constexpr manifest::JsonLimits kLimits = {kMaxText, 100'000};

std::string_view kind_of(const manifest::Layer& layer) {
  const std::string_view type = layer.media_type;
  return type.starts_with(kImage) ? type.substr(kImage.size()) : std::string_view();
}

std::string text_member(const JsonValue& json, std::string_view key) {
  const JsonValue* value = json.find(key);
  return value != nullptr && value->string() != nullptr ? *value->string() : std::string();
}

std::uint64_t number_member(const JsonValue& json, std::string_view key) {
  const JsonValue* value = json.find(key);
  return value != nullptr && value->u64() != nullptr ? *value->u64() : 0;
}

std::vector<std::string> text_list(const JsonValue& json, std::string_view key) {
  std::vector<std::string> texts;
  const JsonValue* value = json.find(key);
  if (value == nullptr || value->array() == nullptr) return texts;
  for (const JsonValue& entry : *value->array()) {
    if (entry.string() != nullptr) texts.push_back(*entry.string());
  }
  return texts;
}

// The config blob of Ollama's models (types/model/config.go).
void read_config(const JsonValue& config, ModelFacts& facts) {
  facts.details.format = text_member(config, "model_format");
  facts.details.family = text_member(config, "model_family");
  facts.details.families = text_list(config, "model_families");
  facts.details.parameter_size = text_member(config, "model_type");
  facts.details.quantization_level = text_member(config, "file_type");
  facts.details.context_length = number_member(config, "context_length");
  facts.details.embedding_length = number_member(config, "embedding_length");
  facts.capabilities = text_list(config, "capabilities");
}

std::string layer_text(const manifest::Layer& layer, const ReadBlob& read) {
  auto bytes = read(layer.digest, kMaxText);
  return bytes ? *std::move(bytes) : std::string();
}

// As Ollama tells them from template and layers (server/images.go, Capabilities).
std::vector<std::string> capabilities_of(const manifest::OllamaManifest& manifest,
                                         const ReadBlob& read) {
  std::vector<std::string> found = {"completion"};
  std::string text;
  bool vision = false;
  for (const manifest::Layer& layer : manifest.layers) {
    if (kind_of(layer) == "template") text = layer_text(layer, read);
    vision = vision || kind_of(layer) == "projector";
  }
  if (text.find(".Tools") != std::string::npos) found.emplace_back("tools");
  if (text.find(".Suffix") != std::string::npos) found.emplace_back("insert");
  if (vision) found.emplace_back("vision");
  return found;
}

Result<manifest::OllamaManifest> ollama_manifest(const manifest::RefRecord& record,
                                                 const ReadBlob& read) {
  CASTOOL_ASSIGN(const std::string bytes, read(record.manifest, manifest::kMaxManifestBytes));
  return manifest::parse_ollama_manifest(bytes);
}

Result<ModelFacts> hub_facts(const manifest::RefRecord& record, const ReadBlob& read) {
  CASTOOL_ASSIGN(const std::string bytes, read(record.manifest, manifest::kMaxHubManifestBytes));
  CASTOOL_ASSIGN(const auto hub, manifest::parse_hub_manifest(bytes));
  ModelFacts facts;
  std::map<base::Digest, std::uint64_t> seen;
  for (const manifest::FileEntry& file : hub.files) {
    if (file.path.ends_with(".gguf")) facts.details.format = "gguf";
    if (file.path.ends_with(".gguf") && !facts.gguf) facts.gguf = file.digest;
    if (file.path.ends_with(".safetensors") && facts.details.format.empty()) {
      facts.details.format = "safetensors";
    }
    if (file.path.ends_with("openvino_model.xml")) facts.details.format = "openvino";
    if (seen.emplace(file.digest, file.size).second) {
      facts.blobs.push_back({{}, file.digest, file.size});
    }
  }
  return facts;
}

std::string value_text(const JsonValue& value) {
  if (const auto* text = value.string()) return manifest::json_quote(*text);
  if (const auto* flag = value.boolean()) return *flag ? "true" : "false";
  if (const auto* number = value.u64()) return fmt::format("{}", *number);
  if (const auto* number = value.negative()) return fmt::format("{}", *number);
  if (const auto* number = value.real()) return fmt::format("{}", *number);
  return {};
}

void add_messages(const std::string& json, ModelText& text) {
  const auto parsed = manifest::parse_json(json, kLimits, "messages");
  if (!parsed || parsed->array() == nullptr) return;
  for (const JsonValue& message : *parsed->array()) {
    text.messages.emplace_back(text_member(message, "role"), text_member(message, "content"));
  }
}

std::string modelfile(const std::string& name, const ModelText& text, const std::string& params) {
  std::string file = fmt::format("# A Modelfile of what is stored as {}\n\nFROM {}\n", name, name);
  if (!text.template_text.empty()) {
    file += fmt::format("TEMPLATE \"\"\"{}\"\"\"\n", text.template_text);
  }
  if (!text.system.empty()) file += fmt::format("SYSTEM \"\"\"{}\"\"\"\n", text.system);
  for (std::string_view rest = params; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::size_t space = line.find(' ');
    const std::size_t value = line.find_first_not_of(' ', space);
    file += fmt::format("PARAMETER {} {}\n", line.substr(0, space), line.substr(value));
  }
  for (const auto& [role, content] : text.messages) {
    file += fmt::format("MESSAGE {} {}\n", role, content);
  }
  if (!text.license.empty()) file += fmt::format("LICENSE \"\"\"{}\"\"\"\n", text.license);
  return file;
}

}  // namespace

Result<ModelFacts> read_facts(const manifest::RefRecord& record, const ReadBlob& read) {
  if (record.kind == manifest::ModelKind::kHub) return hub_facts(record, read);
  CASTOOL_ASSIGN(const auto manifest, ollama_manifest(record, read));
  ModelFacts facts;
  facts.blobs = manifest.distinct_blobs();
  for (const manifest::Layer& layer : manifest.layers) {
    if (kind_of(layer) == "model" && !facts.gguf) facts.gguf = layer.digest;
    if (kind_of(layer) == "projector" && !facts.projector) facts.projector = layer.digest;
  }
  const auto config = read(manifest.config.digest, kMaxText);
  if (config) {
    const auto json = manifest::parse_json(*config, kLimits, "config");
    if (json) read_config(*json, facts);
  }
  if (facts.capabilities.empty()) facts.capabilities = capabilities_of(manifest, read);
  return facts;
}

Result<ModelText> read_text(const manifest::RefRecord& record, const std::string& name,
                            const ReadBlob& read) {
  ModelText text;
  if (record.kind == manifest::ModelKind::kHub) return text;
  CASTOOL_ASSIGN(const auto manifest, ollama_manifest(record, read));
  for (const manifest::Layer& layer : manifest.layers) {
    const std::string_view kind = kind_of(layer);
    if (kind == "license") {
      text.license += (text.license.empty() ? "" : "\n") + layer_text(layer, read);
    } else if (kind == "template" || kind == "prompt") {
      text.template_text = layer_text(layer, read);
    } else if (kind == "system") {
      text.system = layer_text(layer, read);
    } else if (kind == "params") {
      text.parameters = parameter_lines(layer_text(layer, read));
    } else if (kind == "messages") {
      add_messages(layer_text(layer, read), text);
    }
  }
  text.modelfile = modelfile(name, text, text.parameters);
  return text;
}

std::string parameter_lines(std::string_view params) {
  const auto parsed = manifest::parse_json(params, kLimits, "params");
  if (!parsed || parsed->object() == nullptr) return {};
  std::string lines;
  const auto add = [&lines](const std::string& key, const JsonValue& value) {
    const std::string text = value_text(value);
    if (text.empty()) return;
    lines += fmt::format("{}{:<30} {}", lines.empty() ? "" : "\n", key, text);
  };
  for (const auto& [key, value] : *parsed->object()) {
    if (value.array() == nullptr) add(key, value);
    if (value.array() == nullptr) continue;
    for (const JsonValue& entry : *value.array()) add(key, entry);
  }
  return lines;
}

}  // namespace castool::api
