#include "manifest/ovms_loras.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "manifest/path_rules.h"
#include "manifest/printable.h"
#include "manifest/source.h"

namespace castool::manifest {
namespace {

constexpr std::string_view kSuffix = ".safetensors";

base::Error bad_entry(std::string_view entry, const std::string& rule) {
  return base::make_error(base::Code::kUsage,
                          "source_loras: " + printable(entry) + " is not allowed: " + rule,
                          "alias=org/repo[@file][:alpha], or alias=@alias+@alias");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_alias(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::optional<float> number(std::string_view text) {
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

// Cuts ":0.8" off the end of `text`; the colon of "https://…" and of a port is not one.
std::optional<std::string> take_alpha(std::string_view& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto value = number(text.substr(colon + 1));
  if (!value) return std::nullopt;
  text = text.substr(0, colon);
  if (*value == 1.0f) return std::nullopt;
  return fmt::format("{}", *value);
}

base::Status read_address(std::string_view text, LoraAdapter& adapter) {
  adapter.origin = LoraOrigin::kAddress;
  adapter.source = text;
  adapter.file = text.substr(text.rfind('/') + 1);
  const bool usable = adapter.file.ends_with(kSuffix) && adapter.file.size() > kSuffix.size() &&
                      check_path(adapter.file) && text.find_first_of("?#") == text.npos;
  if (!usable) return bad_entry(text, "an address has to end in a name.safetensors");
  return base::ok();
}

base::Status read_repository(std::string_view text, LoraAdapter& adapter) {
  const std::size_t at = text.find('@');
  adapter.origin = LoraOrigin::kHub;
  adapter.source = text.substr(0, at);
  const auto source = parse_source(adapter.source, SourceKind::kHub);
  if (!source || std::ranges::count(adapter.source, '/') != 1) {
    return bad_entry(text, "its source is no org/repo, address or path");
  }
  if (at == std::string_view::npos) return base::ok();
  adapter.file = text.substr(at + 1);
  if (!check_path(adapter.file) || !adapter.file.ends_with(kSuffix)) {
    return bad_entry(text, "behind @ stands a .safetensors file of the repository");
  }
  return base::ok();
}

base::Status read_adapter(std::string_view source, LoraAdapter& adapter) {
  adapter.alpha = take_alpha(source);
  if (source.starts_with("https://") || source.starts_with("http://")) {
    return read_address(source, adapter);
  }
  if (source.starts_with('/') || source.starts_with("./")) {
    adapter.origin = LoraOrigin::kLocal;
    adapter.source = source;
    return base::ok();
  }
  return read_repository(source, adapter);
}

base::Status read_composite(std::string_view text, LoraComposite& composite) {
  for (std::string_view part : split(text, '+')) {
    LoraComponent component;
    const std::string_view whole = part;
    component.alpha = take_alpha(part);
    if (!part.starts_with('@') || !is_alias(part.substr(1))) {
      return bad_entry(whole, "a part of a composite is @alias[:alpha]");
    }
    component.alias = part.substr(1);
    composite.components.push_back(std::move(component));
  }
  return base::ok();
}

base::Status check_components(const SourceLoras& loras) {
  for (const LoraComposite& composite : loras.composites) {
    for (const LoraComponent& component : composite.components) {
      const auto named = [&](const LoraAdapter& adapter) {
        return adapter.alias == component.alias;
      };
      if (std::ranges::none_of(loras.adapters, named)) {
        return bad_entry(composite.alias, "it names no adapter with @" + component.alias);
      }
    }
  }
  return base::ok();
}

std::string print_alpha(const std::optional<std::string>& alpha) {
  return alpha ? ":" + *alpha : std::string();
}

}  // namespace

std::string LoraAdapter::directory() const {
  switch (origin) {
    case LoraOrigin::kHub: return "loras/" + source;
    case LoraOrigin::kAddress: return "loras/" + alias;
    case LoraOrigin::kLocal: break;
  }
  return {};
}

std::string LoraAdapter::graph_path() const {
  if (origin == LoraOrigin::kLocal) return source;
  return file.empty() ? directory() : directory() + "/" + file;
}

base::Result<SourceLoras> parse_source_loras(std::string_view text) {
  SourceLoras loras;
  if (text.empty()) return loras;
  std::set<std::string, std::less<>> aliases;
  for (const std::string_view entry : split(text, ',')) {
    const std::size_t equals = entry.find('=');
    const std::string_view alias = entry.substr(0, equals);
    if (equals == std::string_view::npos || !is_alias(alias)) {
      return bad_entry(entry, "it has to begin with alias=, of letters, digits, '.', '_' and '-'");
    }
    if (!aliases.emplace(alias).second) return bad_entry(entry, "its alias is taken already");
    const std::string_view source = entry.substr(equals + 1);
    if (source.starts_with('@')) {
      LoraComposite& composite = loras.composites.emplace_back();
      composite.alias = alias;
      CASTOOL_RETURN_IF_ERROR(read_composite(source, composite));
    } else {
      LoraAdapter& adapter = loras.adapters.emplace_back();
      adapter.alias = alias;
      CASTOOL_RETURN_IF_ERROR(read_adapter(source, adapter));
    }
  }
  CASTOOL_RETURN_IF_ERROR(check_components(loras));
  return loras;
}

std::string print_source_loras(const SourceLoras& loras) {
  std::string text;
  const auto begin = [&text](const std::string& alias) {
    if (!text.empty()) text += ',';
    text += alias + "=";
  };
  for (const LoraAdapter& adapter : loras.adapters) {
    begin(adapter.alias);
    text += adapter.source;
    if (adapter.origin == LoraOrigin::kHub && !adapter.file.empty()) text += "@" + adapter.file;
    text += print_alpha(adapter.alpha);
  }
  for (const LoraComposite& composite : loras.composites) {
    begin(composite.alias);
    const char* separator = "@";
    for (const LoraComponent& component : composite.components) {
      text += separator + component.alias + print_alpha(component.alpha);
      separator = "+@";
    }
  }
  return text;
}

}  // namespace castool::manifest
