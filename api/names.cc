#include "api/names.h"

#include <optional>

#include <fmt/format.h>

#include "manifest/name_rules.h"

namespace castool::api {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

constexpr std::string_view kHubScheme = "hf://";

bool ends_with_ignoring_case(std::string_view text, std::string_view lower_suffix) {
  if (text.size() < lower_suffix.size()) return false;
  const std::string_view end = text.substr(text.size() - lower_suffix.size());
  for (std::size_t i = 0; i < end.size(); ++i) {
    const char c = end[i] >= 'A' && end[i] <= 'Z' ? static_cast<char>(end[i] - 'A' + 'a') : end[i];
    if (c != lower_suffix[i]) return false;
  }
  return true;
}

base::Error invalid_name() { return make_error(Code::kUsage, "invalid model name"); }

// Whether a ':' after the last '/' leaves a tag in `name`.
bool has_tag(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t colon = name.rfind(':');
  return colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
}

// internal/modelref of Ollama: what the suffix of a name selects.
Result<std::string> without_selector(std::string_view name) {
  constexpr std::string_view kLocal = ":local";
  constexpr std::string_view kCloud = ":cloud";
  const bool local = ends_with_ignoring_case(name, kLocal);
  const bool cloud = ends_with_ignoring_case(name, kCloud);
  if (!local && !cloud) return std::string(name);
  const std::string_view rest = name.substr(0, name.size() - kLocal.size());
  if (ends_with_ignoring_case(rest, kLocal) || ends_with_ignoring_case(rest, kCloud)) {
    return make_error(Code::kUsage,
                      fmt::format("use either :local or :cloud, not both: \"{}\"", name));
  }
  if (local) return std::string(rest);
  return std::string(rest) + (has_tag(rest) ? "-cloud" : ":cloud");
}

Result<manifest::Source> ollama_source(std::string_view name) {
  CASTOOL_ASSIGN(const std::string plain, without_selector(name));
  auto source = manifest::parse_source(plain, manifest::SourceKind::kOllama);
  if (!source || std::holds_alternative<manifest::HubSource>(*source)) return invalid_name();
  return source;
}

}  // namespace

Result<manifest::Source> requested_source(std::string_view name) {
  if (!name.starts_with(kHubScheme)) return ollama_source(name);
  auto source = manifest::parse_source(name);
  if (!source) return invalid_name();
  return source;
}

Status check_registry(const Registries& registries, const manifest::Source& source,
                      Insecure insecure) {
  const auto* ollama = std::get_if<manifest::OllamaSource>(&source);
  const std::string host = ollama == nullptr ? "huggingface.co" : ollama->host;
  const bool allowed = registries.allowed.count(host) > 0;
  if (!allowed && registries.defaults.count(host) == 0) {
    return make_error(Code::kUnauthorized, fmt::format("registry {} is not allowed here", host));
  }
  const bool plain = insecure == Insecure::kYes || (ollama != nullptr && ollama->scheme == "http");
  if (plain && !allowed) {
    return make_error(Code::kUnauthorized,
                      fmt::format("registry {} is not allowed without TLS here", host));
  }
  return base::ok();
}

Result<std::vector<std::string>> ref_names(std::string_view name) {
  if (name.starts_with(kHubScheme)) {
    const std::string_view ref = name.substr(kHubScheme.size());
    if (!manifest::is_hub_repo(ref) && !manifest::parse_custom_name(ref)) return invalid_name();
    return std::vector<std::string>{std::string(ref)};
  }
  std::vector<std::string> names;
  // A ref with a name of its own comes first, as on the command line.
  if (name.find("://") == std::string_view::npos && manifest::parse_custom_name(name)) {
    names.emplace_back(name);
  }
  const auto source = ollama_source(name);
  if (source) names.push_back(manifest::ref_name(*source));
  if (names.empty()) return base::failure(source);
  return names;
}

std::string api_name(const manifest::RefRecord& record) {
  if (record.kind == manifest::ModelKind::kOllama) return record.name;
  return std::string(kHubScheme) + record.name;
}

}  // namespace castool::api
