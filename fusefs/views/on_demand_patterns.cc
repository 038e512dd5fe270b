#include "fusefs/views/on_demand_patterns.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "manifest/name_rules.h"

namespace castool::fusefs {
namespace {

using base::Code;
using base::make_error;
using base::Result;

constexpr std::string_view kOllamaTop = "manifests";
constexpr std::array<std::string_view, 5> kNeverModels = {".json", ".pbtxt", ".xml", ".bin",
                                                          ".gguf"};

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t slash = path.find('/');
    parts.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

bool may_be_asked_for(std::string_view name) {
  if (name.empty() || name.front() == '.') return false;
  if (name.find_first_not_of("0123456789") == std::string_view::npos) return false;
  return std::none_of(kNeverModels.begin(), kNeverModels.end(),
                      [name](std::string_view suffix) { return name.ends_with(suffix); });
}

// How far the parts of a path agree with those of a pattern.
enum class Fit { kNone, kInside, kWhole };

Fit fit(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (path.size() > pattern.size()) return Fit::kNone;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (::fnmatch(pattern[i].c_str(), path[i].c_str(), FNM_NOESCAPE) != 0) return Fit::kNone;
  }
  return path.size() == pattern.size() ? Fit::kWhole : Fit::kInside;
}

OnDemandMatch model(const std::string& text) {
  auto source = manifest::parse_source(text);
  if (!source) return std::monostate();
  return *std::move(source);
}

std::string source_of_path(const std::vector<std::string>& parts, Layout layout) {
  if (layout == Layout::kOllama)
    return fmt::format("ollama://{}/{}/{}:{}", parts[0], parts[1], parts[2], parts[3]);
  const bool hub = parts.back().find(':') == std::string::npos;
  return fmt::format("{}://{}", hub ? "hf" : "ollama", fmt::join(parts, "/"));
}

}  // namespace

Result<OnDemandPatterns> OnDemandPatterns::parse(std::span<const std::string> texts) {
  OnDemandPatterns parsed;
  for (const std::string& text : texts) {
    const auto refuse = [&text](std::string_view why) {
      return make_error(Code::kUsage, fmt::format("--on-demand '{}': {}", text, why),
                        "for example 'OpenVINO/*', 'library/*:*' or 'hf.co/*/*:*'");
    };
    std::vector<std::string> parts = split(text);
    if (std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); }))
      return refuse("it has an empty part");
    const std::size_t colon = parts.back().find(':');
    Pattern pattern;
    if (colon == std::string::npos) {
      if (parts.size() != 2) return refuse("a repository has an organisation and a name");
      pattern.ovms = std::move(parts);
    } else {
      if (parts.size() > 3) return refuse("a model has at most a host, a namespace and a name");
      if (parts.size() == 1) parts.emplace(parts.begin(), manifest::kDefaultNamespace);
      if (parts.size() == 2) parts.emplace(parts.begin(), manifest::kDefaultHost);
      const std::string& last = parts.back();
      const std::size_t at = last.find(':');
      pattern.ollama = {parts[0], parts[1], last.substr(0, at), last.substr(at + 1)};
      if (parts[0] == manifest::kDefaultHost) parts.erase(parts.begin());
      pattern.ovms = std::move(parts);
    }
    parsed.patterns_.push_back(std::move(pattern));
  }
  return parsed;
}

std::set<std::string> OnDemandPatterns::hosts() const {
  std::set<std::string> hosts;
  for (const Pattern& pattern : patterns_) {
    const bool named =
        !pattern.ollama.empty() && pattern.ollama[0].find_first_of("*?[") == std::string::npos;
    if (named) hosts.insert(pattern.ollama[0]);
  }
  return hosts;
}

OnDemandMatch OnDemandPatterns::match(std::string_view path, Layout layout) const {
  if (layout == Layout::kAll) {
    const std::size_t slash = path.find('/');
    const auto below = layout_of(path.substr(0, slash));
    if (!below || *below == Layout::kAll || slash == std::string_view::npos)
      return std::monostate();
    return match(path.substr(slash + 1), *below);
  }
  if (layout == Layout::kHf) return std::monostate();
  std::vector<std::string> parts = split(path);
  if (layout == Layout::kOllama) {
    if (parts.front() != kOllamaTop || parts.size() < 2) return std::monostate();
    parts.erase(parts.begin());
  }
  if (!may_be_asked_for(parts.back())) return std::monostate();
  const bool tagged = layout == Layout::kOllama || path.find(':') != std::string_view::npos;
  bool inside = false;
  for (const Pattern& pattern : patterns_) {
    if (tagged && pattern.ollama.empty()) continue;
    const auto& wanted = layout == Layout::kOllama ? pattern.ollama : pattern.ovms;
    switch (fit(wanted, parts)) {
      case Fit::kNone: break;
      case Fit::kInside: inside = true; break;
      case Fit::kWhole: return model(source_of_path(parts, layout));
    }
  }
  if (inside) return OnDemandParent();
  return std::monostate();
}

}  // namespace castool::fusefs
