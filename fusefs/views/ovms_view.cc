// The ovms layout: config.json at the top, a directory for each model, graph.pbtxt where one is
// due.
//
// A file of the repository that has the name of a generated one loses: OVMS would overwrite it too.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "fusefs/blob_filler.h"
#include "fusefs/upper.h"
#include "fusefs/views/ovms_kind.h"
#include "fusefs/views/view.h"
#include "manifest/manifest.h"
#include "manifest/ovms_graph.h"

namespace castool::fusefs {
namespace {

using base::Result;
using manifest::ModelKind;
using manifest::RefRecord;
using manifest::RefState;

constexpr std::string_view kLayout = "ovms";
constexpr std::string_view kGraphName = "graph.pbtxt";
constexpr std::string_view kGgufSuffix = ".gguf";
constexpr std::string_view kGgufMediaType = "application/vnd.ollama.image.model";

// What one model needs to be expanded, long after the view was made.
struct Model {
  RefRecord record;
  std::shared_ptr<const BlobHome> home;
  std::string path;
  std::shared_ptr<const ManifestSource> manifests;
};

std::string gguf_name(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  std::replace(name.begin(), name.end(), ':', '-');
  return name.append(kGgufSuffix);
}

// A draft or an adapter, below a directory of its own that wins over the repository's files.
base::Status add_attachment(const Model& model, const manifest::Attachment& attachment,
                            std::vector<FlatFile>& files) {
  const std::string below = attachment.path + "/";
  std::erase_if(files, [&](const FlatFile& file) {
    return file.path == attachment.path || file.path.starts_with(below);
  });
  CASTOOL_ASSIGN(const std::string bytes,
                 model.manifests->load(attachment.manifest, manifest::kMaxHubManifestBytes));
  CASTOOL_ASSIGN(const manifest::HubManifest parsed, manifest::parse_hub_manifest(bytes));
  const auto home = std::make_shared<const BlobHome>(
      BlobHome{model.record.name, attachment.source, attachment.origin, attachment.revision,
               ModelKind::kHub, attachment.manifest, true});
  for (const auto& file : parsed.files)
    files.push_back({below + file.path, BlobContent{file.digest, home}, file.size});
  return base::ok();
}

Result<std::vector<FlatFile>> hub_files(const Model& model) {
  CASTOOL_ASSIGN(const std::string bytes,
                 model.manifests->load(model.record.manifest, manifest::kMaxHubManifestBytes));
  CASTOOL_ASSIGN(const manifest::HubManifest parsed, manifest::parse_hub_manifest(bytes));
  std::vector<FlatFile> files;
  files.reserve(parsed.files.size() + 1);
  for (const auto& file : parsed.files)
    files.push_back({file.path, BlobContent{file.digest, model.home}, file.size});
  for (const manifest::Attachment& attachment : model.record.attachments) {
    CASTOOL_RETURN_IF_ERROR(add_attachment(model, attachment, files));
  }
  return files;
}

Result<std::vector<FlatFile>> ollama_files(const Model& model) {
  CASTOOL_ASSIGN(std::string bytes,
                 model.manifests->load(model.record.manifest, manifest::kMaxManifestBytes));
  CASTOOL_ASSIGN(const manifest::OllamaManifest parsed, manifest::parse_ollama_manifest(bytes));
  for (const manifest::Layer& layer : parsed.layers) {
    if (layer.media_type == kGgufMediaType)
      return std::vector<FlatFile>{
          {gguf_name(model.path), BlobContent{layer.digest, model.home}, layer.size}};
  }
  // Nothing OVMS could load, and no directory here is empty: the manifest says what the model is.
  const std::uint64_t size = bytes.size();
  return std::vector<FlatFile>{{"manifest.json", BlobContent{model.record.manifest, {}}, size}};
}

Result<std::vector<FlatFile>> repository_files(const Model& model) {
  return model.record.kind == ModelKind::kHub ? hub_files(model) : ollama_files(model);
}

Result<std::string> graph_text(const RefRecord& record, std::string_view task,
                               std::string_view path) {
  const std::string models_path =
      record.kind == ModelKind::kOllama ? "./" + gguf_name(path) : std::string("./");
  return manifest::ovms_graph(task, record.options, models_path);
}

// The text that the repository brings; none where it cannot be read, which leaves its file as it
// is.
std::optional<std::string> own_graph(const Model& model, const std::vector<FlatFile>& files) {
  for (const FlatFile& file : files) {
    if (file.path != kGraphName || file.size > Upper::kMaxText) continue;
    auto text = model.manifests->load(digest_of(file.content), Upper::kMaxText);
    if (text) return *std::move(text);
  }
  return std::nullopt;
}

// Every model has a graph.pbtxt, be it one that is not there until OVMS writes it when it pulls and
// starts. A ref whose task or options make no graph is shown without one; making the view named the
// reason.
void add_graph(const Model& model, std::vector<FlatFile>& files) {
  const std::string task = ovms_task(model.record, files);
  std::optional<std::string> text;
  if (!task.empty() && files.front().path != "manifest.json") {
    auto made = graph_text(model.record, task, model.path);
    if (made) text = *std::move(made);
  }
  const auto is_graph = [](const FlatFile& file) {
    return file.path == kGraphName || file.path.starts_with(std::string(kGraphName) + "/");
  };
  if (!text) {
    text = own_graph(model, files);
    if (!text && std::any_of(files.begin(), files.end(), is_graph)) return;
  }
  std::erase_if(files, is_graph);
  const std::uint64_t size = text ? text->size() : 0;
  files.push_back({std::string(kGraphName), make_rewritable(model.path, std::move(text)), size});
}

// Everything that decides what the directory holds.
std::string key_of(const RefRecord& record) {
  std::string key = fmt::format("{}\n{}\n{}", record.kind == ModelKind::kHub ? "hub" : "ollama",
                                record.manifest.hex(), record.task);
  for (const manifest::Attachment& attachment : record.attachments)
    key += fmt::format("\n{}:{} {}", attachment.path.size(), attachment.path,
                       attachment.manifest.hex());
  for (const auto& [name, value] : record.options)
    key += fmt::format("\n{}:{}={}:{}", name.size(), name, value.size(), value);
  return key;
}

struct Decision {
  bool servable = false;
  std::string problem;
};

// Whether OVMS can serve the model, with as little reading as it takes.
Decision decide(const Model& model) {
  const RefRecord& record = model.record;
  const auto graph_works = [&](std::string_view task) -> Decision {
    const auto text = graph_text(record, task, model.path);
    if (text) return {true, {}};
    return {false, fmt::format("{}: no graph.pbtxt: {}", record.name, text.error().text())};
  };
  const std::string task = ovms_task(record, {});
  if (!task.empty()) return graph_works(task);
  const auto bytes = model.manifests->load(record.manifest, manifest::kMaxHubManifestBytes);
  if (!bytes) return {false, fmt::format("{}: {}", record.name, bytes.error().text())};
  if (!may_be_servable(*bytes)) return {};
  const auto files = hub_files(model);
  if (!files) return {false, fmt::format("{}: {}", record.name, files.error().text())};
  const std::string inferred = ovms_task(record, *files);
  if (!inferred.empty()) return graph_works(inferred);
  return {ovms_kind({}, *files) != OvmsKind::kNone, {}};
}

NodePtr previous_node(const ViewInput& input, const std::string& path, const Model& model,
                      Ino ino) {
  if (input.previous == nullptr) return nullptr;
  const auto found = input.previous->find(path);
  if (!found || !*found) return nullptr;
  const Node& node = **found;
  const ModelInfo* info = node.model();
  const bool same = node.ino() == ino && node.mtime() == model.record.pulled_at &&
                    info != nullptr && *info->home == *model.home;
  return same ? *found : nullptr;
}

NodePtr make_model_node(std::shared_ptr<const Model> model, Ino ino, Ino parent, std::string name,
                        bool servable) {
  const RefRecord& record = model->record;
  FixedPlace place{std::string(kLayout), model->path, key_of(record), ino, record.pulled_at};
  auto info = std::make_shared<const ModelInfo>(ModelInfo{model->home, servable});
  Node::Common common{ino, parent, std::move(name), record.pulled_at};
  return Node::lazy_directory(
      std::move(common), Lifetime::kFixed,
      [model = std::move(model), place = std::move(place)]() -> Result<Children> {
        CASTOOL_ASSIGN(std::vector<FlatFile> files, repository_files(*model));
        if (!files.empty()) add_graph(*model, files);
        for (FlatFile& file : files) {
          if (file.path.ends_with(kGgufSuffix)) file.access = Access::kReadOrMapWritable;
        }
        return fixed_children(place, std::move(files));
      },
      std::move(info));
}

// A JSON string. Bytes beyond ASCII are UTF-8 already: names were checked when they came in.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// OVMS's schema is strict: one key it does not know, and it refuses the whole file. It loads no two
// models of one name, so the first pulled keeps it.
std::string config_text(const std::vector<std::pair<std::string, std::string>>& models) {
  std::string list;
  for (const auto& [name, base_path] : models) {
    list += fmt::format(
        "{}\n        {{\n            \"config\": {{\n                \"name\": {},\n"
        "                \"base_path\": {}\n            }}\n        }}",
        list.empty() ? "" : ",", json_string(name), json_string(base_path));
  }
  if (!list.empty()) list += "\n    ";
  return fmt::format("{{\n    \"model_config_list\": [{}]\n}}\n", list);
}

}  // namespace

void add_ovms_view(const ViewInput& input, const ViewPart& part) {
  InoMaker inos(kLayout);
  std::vector<std::pair<std::string, std::string>> config;
  std::set<std::string> served_names;
  for (const Place& place : place_all(input.records, Layout::kOvms)) {
    if (place.path.empty()) continue;
    auto model = std::make_shared<const Model>(
        Model{*place.record, BlobHome::of(*place.record), place.path, input.manifests});
    const Ino ino = inos.make(place.path, "model " + key_of(*place.record));
    NodePtr kept = previous_node(input, part.prefix + model->path, *model, ino);
    Decision decision;
    if (kept) {
      decision.servable = kept->model()->servable;
    } else {
      decision = decide(*model);
      if (!decision.problem.empty()) part.problems.push_back(decision.problem);
    }
    const std::string& name =
        place.record->served_name.empty() ? place.record->name : place.record->served_name;
    const bool wanted = !place.record->on_demand || input.on_demand == OnDemandListed::kYes;
    const bool listed = decision.servable && wanted && place.record->state != RefState::kDamaged;
    if (listed && served_names.insert(name).second) config.emplace_back(name, place.path);
    part.builder.add(part.prefix + place.path, [model, kept, ino, decision](Ino parent,
                                                                            std::string leaf) {
      return kept ? kept : make_model_node(model, ino, parent, std::move(leaf), decision.servable);
    });
  }
  FileContent text = make_text(config_text(config));
  const Ino ino = inos.make("config.json", digest_of(text).hex());
  part.builder.add(part.prefix + "config.json",
                   [text, ino, newest = part.newest](Ino parent, std::string name) {
                     const std::uint64_t size = std::get<TextContent>(text).text->size();
                     return Node::file({ino, parent, std::move(name), newest}, text, size);
                   });
}

}  // namespace castool::fusefs
