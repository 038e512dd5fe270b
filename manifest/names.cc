// Names of refs: the part of source.h that goes from sources to names.
#include <algorithm>
#include <utility>

#include "manifest/name_rules.h"
#include "manifest/printable.h"
#include "manifest/source.h"

namespace castool::manifest {
namespace {

constexpr std::size_t kMaxCustomParts = 4;

// "[host/]ns/model:tag" with the default host left out; the short form hides "library" too, which
// cannot be done behind a host.
std::string ollama_ref_name(const OllamaSource& source) {
  std::string name;
  if (source.host != kDefaultHost) name += source.host + "/";
  if (!name.empty() || source.ns != kDefaultNamespace) name += source.ns + "/";
  return name + source.model + ":" + source.tag;
}

std::string source_text_of(const HubSource& source) {
  return "hf://" + source.repo + "@" + source.revision;
}

std::string source_text_of(const OllamaSource& source) {
  if (source.scheme == "http") {
    return "http://" + source.host + "/" + source.ns + "/" + source.model + ":" + source.tag;
  }
  return "ollama://" + ollama_ref_name(source);
}

bool is_custom_name(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && !is_custom_part(text.substr(colon + 1))) return false;
  const std::string_view path = text.substr(0, colon);
  std::size_t parts = 0;
  for (std::size_t begin = 0; begin <= path.size(); ++parts) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (!is_custom_part(path.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return parts <= kMaxCustomParts;
}

}  // namespace

std::string ref_name(const Source& source) {
  if (const auto* hub = std::get_if<HubSource>(&source)) return hub->repo;
  return ollama_ref_name(std::get<OllamaSource>(source));
}

std::string source_text(const Source& source) {
  return std::visit([](const auto& kind) { return source_text_of(kind); }, source);
}

base::Result<std::string> parse_custom_name(std::string_view text) {
  if (!is_custom_name(text)) {
    return base::make_error(base::Code::kUsage, "bad name " + printable(text),
                            "one to four parts of letters, digits, '_', '.' and '-', and a tag if "
                            "you like, as in team/chat:v2");
  }
  return std::string(text);
}

base::Result<std::vector<std::string>> lookup_names(std::string_view text) {
  std::vector<std::string> names;
  if (is_custom_name(text)) names.emplace_back(text);
  const auto source = parse_source(text);
  if (source) {
    std::string name = ref_name(*source);
    if (names.empty() || names.front() != name) names.push_back(std::move(name));
  } else if (names.empty()) {
    return base::failure(source);
  }
  return names;
}

base::Result<std::string> normalise_name(std::string_view text) {
  CASTOOL_ASSIGN(auto names, lookup_names(text));
  return std::move(names.back());
}

}  // namespace castool::manifest
