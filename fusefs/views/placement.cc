#include "fusefs/views/placement.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "fusefs/tree.h"
#include "manifest/path_rules.h"
#include "manifest/source.h"

namespace castool::fusefs {
namespace {

using manifest::ModelKind;
using manifest::RefRecord;

constexpr std::string_view kGgufSuffix = ".gguf";

struct Wish {
  std::string path;
  std::string refused;
};

Wish refuse(std::string why) { return {{}, std::move(why)}; }

std::optional<manifest::OllamaSource> ollama_name(const std::string& text) {
  const auto source = manifest::parse_source(text, manifest::SourceKind::kOllama);
  if (!source) return std::nullopt;
  const auto* name = std::get_if<manifest::OllamaSource>(&*source);
  return name ? std::optional(*name) : std::nullopt;
}

// A name given with --name or by `cp` stands as it is; the name that a registry model has by itself
// is written out, with its namespace.
Wish wish_ovms(const RefRecord& record) {
  if (record.kind == ModelKind::kHub) return {record.name, {}};
  const auto source = manifest::parse_source(record.source);
  const auto* own = source ? std::get_if<manifest::OllamaSource>(&*source) : nullptr;
  if (own == nullptr || manifest::ref_name(*source) != record.name) return {record.name, {}};
  const bool default_host = own->host == "registry.ollama.ai";
  return {fmt::format("{}{}{}/{}:{}", default_host ? "" : own->host, default_host ? "" : "/",
                      own->ns, own->model, own->tag),
          {}};
}

Wish wish_ollama(const RefRecord& record) {
  if (record.kind != ModelKind::kOllama)
    return refuse("only models of an Ollama registry are shown in this layout");
  const auto name = ollama_name(record.name);
  if (!name) return refuse("its name has more or other parts than Ollama's names have");
  return {fmt::format("manifests/{}/{}/{}/{}", name->host, name->ns, name->model, name->tag), {}};
}

// huggingface_hub looks for a repository by its id, whatever it is called here.
Wish wish_hf(const RefRecord& record) {
  if (record.kind != ModelKind::kHub)
    return refuse("only models of the Hub are shown in this layout");
  const auto source = manifest::parse_source(record.source);
  const auto* hub = source ? std::get_if<manifest::HubSource>(&*source) : nullptr;
  if (hub == nullptr) return refuse("its source names no repository");
  std::string path = "models--" + hub->repo;
  if (const std::size_t slash = path.find('/'); slash != std::string::npos)
    path.replace(slash, 1, "--");
  return {std::move(path), {}};
}

Wish wish_in(const RefRecord& record, Layout layout) {
  switch (layout) {
    case Layout::kOvms: return wish_ovms(record);
    case Layout::kOllama: return wish_ollama(record);
    case Layout::kHf: return wish_hf(record);
    case Layout::kAll: break;
  }
  return refuse("this layout is made of others");
}

Wish wish(const RefRecord& record, Layout layout) {
  Wish result = wish_in(record, layout);
  if (!result.refused.empty()) return result;
  if (const auto checked = manifest::check_path(result.path); !checked)
    return refuse(fmt::format("its name cannot be a path: {}", checked.error().message));
  const std::size_t last = result.path.size() - (result.path.rfind('/') + 1);
  if (record.kind == ModelKind::kOllama && last + kGgufSuffix.size() > kMaxNameBytes)
    return refuse("its name is too long for a file name");
  return result;
}

// Whether refs that want the same path have it together. A repository of the Hub's cache has all of
// its revisions, each in a directory of its own.
bool is_shared(Layout layout) { return layout == Layout::kHf; }

class Ground {
 public:
  explicit Ground(Layout layout) : shared_(is_shared(layout)) {
    if (layout == Layout::kOvms) taken_.emplace("config.json", "the layout's own config.json");
  }

  // Empty when the path is free and now belongs to `owner`, else who is in the way.
  std::string claim(const std::string& path, const std::string& owner) {
    if (const auto parent = parents_.find(path); parent != parents_.end()) return parent->second;
    for (std::size_t end = path.find('/'); end != std::string::npos;
         end = path.find('/', end + 1)) {
      if (const auto found = taken_.find(path.substr(0, end)); found != taken_.end())
        return found->second;
    }
    const auto [at, free] = taken_.emplace(path, owner);
    if (!free) return shared_ ? std::string() : at->second;
    for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
      parents_.emplace(path.substr(0, end), owner);
    return {};
  }

 private:
  const bool shared_;
  std::map<std::string, std::string> taken_;    // path -> what stands there
  std::map<std::string, std::string> parents_;  // directory above a model -> a model below it
};

}  // namespace

std::string_view word(Layout layout) {
  switch (layout) {
    case Layout::kOvms: return "ovms";
    case Layout::kOllama: return "ollama";
    case Layout::kHf: return "hf";
    case Layout::kAll: return "all";
  }
  return "";
}

std::optional<Layout> layout_of(std::string_view text) {
  for (const Layout layout : {Layout::kOvms, Layout::kOllama, Layout::kHf, Layout::kAll}) {
    if (word(layout) == text) return layout;
  }
  return std::nullopt;
}

std::vector<Place> place_all(std::span<const RefRecord> records, Layout layout) {
  std::vector<Place> places;
  places.reserve(records.size());
  for (const RefRecord& record : records) places.push_back({&record, {}, {}});
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.record->first_pulled_ns, a.record->name) <
           std::tie(b.record->first_pulled_ns, b.record->name);
  });
  Ground ground(layout);
  for (Place& place : places) {
    Wish wanted = wish(*place.record, layout);
    if (!wanted.refused.empty()) {
      place.left_out = std::move(wanted.refused);
    } else if (std::string owner = ground.claim(wanted.path, place.record->name); !owner.empty()) {
      place.left_out = fmt::format("its path {} is taken by {}", wanted.path, owner);
    } else {
      place.path = std::move(wanted.path);
    }
  }
  return places;
}

Place place_of(std::span<const RefRecord> records, std::string_view name, Layout layout) {
  for (Place& place : place_all(records, layout)) {
    if (place.record->name == name) return std::move(place);
  }
  return {nullptr, {}, "there is no such ref"};
}

}  // namespace castool::fusefs
