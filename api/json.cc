#include "api/json.h"

#include <cmath>

#include <nlohmann/json.hpp>

namespace castool::api {
namespace {

using Json = nlohmann::ordered_json;

// Texts of models and origins come from far away: bad UTF-8 is replaced, never thrown about.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json details_json(const ModelDetails& details) {
  Json json;
  json["parent_model"] = "";
  json["format"] = details.format;
  json["family"] = details.family;
  json["families"] = details.families.empty() ? Json(nullptr) : Json(details.families);
  json["parameter_size"] = details.parameter_size;
  json["quantization_level"] = details.quantization_level;
  if (details.context_length > 0) json["context_length"] = details.context_length;
  if (details.embedding_length > 0) json["embedding_length"] = details.embedding_length;
  return json;
}

Json entry_json(const ModelEntry& model) {
  Json json;
  json["name"] = model.name;
  json["model"] = model.name;
  json["modified_at"] = model.modified_at;
  json["size"] = model.size;
  json["digest"] = model.digest;
  json["details"] = details_json(model.details);
  json["capabilities"] = model.capabilities;
  return json;
}

// What manifest::gguf_json() made.
Json read_back(const std::string& text) { return Json::parse(text, nullptr, false); }

void add_text(Json& json, const char* key, const std::string& text) {
  if (!text.empty()) json[key] = text;
}

}  // namespace

std::string error_body(std::string_view text) {
  Json json;
  json["error"] = text;
  return dump(json);
}

std::string error_body(std::string_view text, base::Code code) {
  Json json;
  json["error"] = text;
  json["code"] = base::word(code);
  return dump(json);
}

std::string success_event(const pull::PullOutcome& outcome) {
  Json json;
  json["status"] = "success";
  json["name"] = outcome.name;
  json["manifest"] = outcome.manifest.text();
  json["revision"] = outcome.revision;
  json["files"] = outcome.files;
  json["bytes"] = outcome.bytes;
  json["bytes_fetched"] = outcome.bytes_fetched;
  json["bytes_reused"] = outcome.bytes_reused;
  json["seconds"] = std::round(outcome.seconds * 1000) / 1000;
  return dump(json);
}

std::string version_body(std::string_view version) {
  Json json;
  json["version"] = version;
  return dump(json);
}

std::string status_event(std::string_view text) {
  Json json;
  json["status"] = text;
  return dump(json);
}

std::string progress_event(std::string_view label, std::string_view digest, std::uint64_t total,
                           std::uint64_t completed) {
  constexpr std::string_view kPulling = "pulling ";
  constexpr std::string_view kAlgorithm = "sha256:";
  constexpr std::size_t kShortDigest = 12;
  std::string status(kPulling);
  if (digest.starts_with(kAlgorithm)) {
    status += digest.substr(kAlgorithm.size(), kShortDigest);
  } else {
    status += label.starts_with(kPulling) ? label.substr(kPulling.size()) : label;
  }
  Json json;
  json["status"] = status;
  if (!digest.empty()) json["digest"] = digest;
  if (total > 0) json["total"] = total;
  if (completed > 0) json["completed"] = completed;
  return dump(json);
}

std::string entry_body(const ModelEntry& model) { return dump(entry_json(model)); }

std::string tags_body(const std::vector<std::string_view>& entries) {
  std::string body = R"({"models":[)";
  for (const std::string_view entry : entries) {
    body += entry;
    body += ',';
  }
  if (!entries.empty()) body.pop_back();
  return body + "]}";
}

std::string show_body(const ModelEntry& model, const ModelText& text) {
  Json json;
  add_text(json, "license", text.license);
  add_text(json, "modelfile", text.modelfile);
  add_text(json, "parameters", text.parameters);
  add_text(json, "template", text.template_text);
  add_text(json, "system", text.system);
  json["details"] = details_json(model.details);
  if (!text.messages.empty()) {
    Json messages = Json::array();
    for (const auto& [role, content] : text.messages) {
      messages.push_back(Json{{"role", role}, {"content", content}});
    }
    json["messages"] = std::move(messages);
  }
  Json info = Json::object();
  if (!model.details.family.empty()) info["general.architecture"] = model.details.family;
  json["model_info"] = text.model_info.empty() ? std::move(info) : read_back(text.model_info);
  if (!text.projector_info.empty()) json["projector_info"] = read_back(text.projector_info);
  json["capabilities"] = model.capabilities;
  json["modified_at"] = model.modified_at;
  return dump(json);
}

}  // namespace castool::api
