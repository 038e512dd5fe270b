#include <array>
#include <span>

#include <fmt/format.h>

#include "fusefs/store_blobs.h"
#include "fusefs/views/placement.h"
#include "manifest/gguf_model.h"
#include "manifest/manifest.h"
#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"
#include "tools/mount_filler.h"
#include "tools/quantity.h"
#include "tools/table.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

// What show needs of a namespace, read once for all names.
struct Shelf {
  std::unique_ptr<cas::Store> store;
  std::vector<manifest::RefRecord> records;
  std::vector<cas::PartialInfo> partials;
  std::unique_ptr<pull::ReadRights> rights;
};

Result<Shelf> open_shelf(CommandContext& context) {
  Shelf shelf;
  CASTOOL_ASSIGN(shelf.store, open_store_if_any(context));
  if (shelf.store == nullptr) return shelf;
  CASTOOL_ASSIGN(const cas::RefStore refs, cas::RefStore::open(*shelf.store, context.settings.ns));
  CASTOOL_ASSIGN(shelf.records, read_records(refs, context.log));
  CASTOOL_ASSIGN(shelf.partials, cas::list_partials(*shelf.store));
  shelf.rights = std::make_unique<pull::ReadRights>(*shelf.store, refs.ns());
  return shelf;
}

Status look_at_file(const Shelf& shelf, const manifest::RefRecord& record, FileReport& file) {
  const std::string& origin = record.origin;
  CASTOOL_ASSIGN(const auto stored, shelf.store->size_of(file.digest));
  const bool complete = record.state == manifest::RefState::kComplete;
  if (stored && (complete || shelf.rights->may_read(origin, file.digest))) {
    file.state = FileState::kVerified;
    return base::ok();
  }
  for (const cas::PartialInfo& partial : shelf.partials) {
    if (partial.digest != file.digest || partial.origin != origin) continue;
    file.state = FileState::kPartial;
    file.present = partial.present;
  }
  return base::ok();
}

// "application/vnd.ollama.image.model" -> "model"
std::string layer_kind(const std::string& media_type) {
  constexpr std::string_view kOllama = "application/vnd.ollama.image.";
  return media_type.starts_with(kOllama) ? media_type.substr(kOllama.size()) : media_type;
}

FileReport layer_report(const manifest::Layer& layer, std::string kind) {
  FileReport file;
  file.path = "blobs/sha256-" + layer.digest.hex();  // where the ollama layout has it
  file.kind = std::move(kind);
  file.bytes = layer.size;
  file.digest = layer.digest;
  return file;
}

Result<std::vector<FileReport>> read_files(const cas::Store& store,
                                           const manifest::RefRecord& record) {
  std::vector<FileReport> files;
  if (record.kind == manifest::ModelKind::kHub) {
    CASTOOL_ASSIGN(const std::string bytes,
                   store.read_small(record.manifest, manifest::kMaxHubManifestBytes));
    CASTOOL_ASSIGN(manifest::HubManifest hub, manifest::parse_hub_manifest(bytes));
    for (manifest::FileEntry& entry : hub.files) {
      FileReport& file = files.emplace_back();
      file.path = std::move(entry.path);
      file.bytes = entry.size;
      file.digest = entry.digest;
    }
    return files;
  }
  CASTOOL_ASSIGN(const std::string bytes,
                 store.read_small(record.manifest, manifest::kMaxManifestBytes));
  CASTOOL_ASSIGN(const manifest::OllamaManifest ollama, manifest::parse_ollama_manifest(bytes));
  for (const manifest::Layer& layer : ollama.layers) {
    files.push_back(layer_report(layer, layer_kind(layer.media_type)));
  }
  files.push_back(layer_report(ollama.config, "config"));
  return files;
}

// Why Ollama is not shown a GGUF that has a name for it, or nothing.
Status shown_to_ollama(const fusefs::StoreManifests& manifests, const manifest::RefRecord& record,
                       const manifest::FileEntry& file) {
  const auto metadata = manifests.gguf({file.digest, fusefs::BlobHome::of(record)});
  if (!metadata && metadata.error().code == Code::kNotFound)
    return make_error(Code::kNotFound, file.path + " is not here yet");
  if (!metadata)
    return make_error(metadata.error().code, file.path + ": " + metadata.error().message);
  const auto made = manifest::make_gguf_model(*metadata, file.digest, file.size);
  return made ? base::ok() : Status(make_error(made.error().code, made.error().message));
}

// What Ollama is shown of a repository: the first of its GGUFs that it can be shown.
ViewReport hub_in_ollama(const Shelf& shelf, const manifest::RefRecord& record) {
  const auto bytes = shelf.store->read_small(record.manifest, manifest::kMaxHubManifestBytes);
  if (!bytes) return {{}, bytes.error().message};
  const auto hub = manifest::parse_hub_manifest(*bytes);
  if (!hub) return {{}, hub.error().message};
  const fusefs::StoreManifests manifests(*shelf.store, reads_by(*shelf.rights));
  ViewReport view{{}, "it has no GGUF"};
  for (const manifest::GgufName& name : manifest::gguf_names(*hub)) {
    view.left_out = name.left_out;
    if (name.path.empty()) continue;
    const Status shown = shown_to_ollama(manifests, record, *name.file);
    if (shown) return {"manifests/" + name.path, {}};
    view.left_out = shown.error().message;
  }
  return view;
}

std::map<std::string, ViewReport> read_views(const Shelf& shelf,
                                             const manifest::RefRecord& record) {
  const std::string& name = record.name;
  std::map<std::string, ViewReport> views;
  for (const fusefs::Layout layout : fusefs::kLayouts) {
    const fusefs::Place place = fusefs::place_of(shelf.records, name, layout);
    views[std::string(fusefs::word(layout))] = {place.path, place.left_out};
  }
  if (record.kind == manifest::ModelKind::kHub) views["ollama"] = hub_in_ollama(shelf, record);
  return views;
}

// The record that NAME means; null when there is none.
const manifest::RefRecord* find_record(const Shelf& shelf, std::span<const std::string> names) {
  for (const std::string& name : names) {
    for (const manifest::RefRecord& record : shelf.records) {
      if (record.name == name) return &record;
    }
  }
  return nullptr;
}

Result<ModelReport> read_model(const Shelf& shelf, const std::string& text) {
  CASTOOL_ASSIGN(const auto names, manifest::lookup_names(text));
  const manifest::RefRecord* record = find_record(shelf, names);
  if (record == nullptr) {
    return make_error(Code::kNotFound, "no model of that name is here", "castool ls lists them");
  }
  ModelReport report;
  report.record = *record;
  CASTOOL_ASSIGN(report.files, read_files(*shelf.store, *record));
  for (FileReport& file : report.files) {
    CASTOOL_RETURN_IF_ERROR(look_at_file(shelf, *record, file));
  }
  refresh_record(report);
  report.views = read_views(shelf, *record);
  return report;
}

void print_facts(const ModelReport& report, Output& out) {
  const manifest::RefRecord& record = report.record;
  const auto fact = [&](std::string_view title, std::string_view value) {
    out.line(fmt::format("{:<13}{}", title, printable(value)));
  };
  fact("name", record.name);
  fact("source", record.source);
  fact("revision", record.revision);
  fact("manifest", record.manifest.text());
  fact("size", fmt::format("{} in {} files", human_size(record.bytes), report.files.size()));
  fact("present", human_size(record.bytes_present));
  fact("state", manifest::word(record.state));
  if (record.pinned) fact("pinned", "yes");
  if (record.pulled_at > 0) fact("pulled", utc_time(record.pulled_at));
  if (record.last_used_at > 0) fact("last used", utc_time(record.last_used_at));
  if (!record.served_name.empty()) fact("model_name", record.served_name);
  if (!record.task.empty()) fact("task", record.task);
  for (const auto& [option, value] : record.options) fact("option", option + "=" + value);
  for (const manifest::Attachment& attachment : record.attachments) {
    fact("with", fmt::format("{} from {}, {}", attachment.path, attachment.source,
                             human_size(attachment.bytes)));
  }
  for (const auto& [layout, view] : report.views) {
    fact(layout + " view", view.left_out.empty() ? view.path : "left out: " + view.left_out);
  }
}

void print_files(const ModelReport& report, Output& out) {
  const bool layers = report.record.kind == manifest::ModelKind::kOllama;
  Table table({{layers ? "LAYER" : "FILE"}, {"SIZE", Align::kRight}, {"STATE"}, {"DIGEST"}});
  for (const FileReport& file : report.files) {
    table.add({layers ? file.kind : file.path, human_size(file.bytes),
               std::string(word(file.state)), file.digest.text()});
  }
  out.line("");
  for (const std::string& line : table.lines()) out.line(line);
}

}  // namespace

int run_show(const ShowArguments& arguments, CommandContext& context) {
  const auto shelf = open_shelf(context);
  if (!shelf) return report_error(context, "show", shelf.error());
  int status = kExitSuccess;
  bool first = true;
  for (const std::string& name : arguments.names) {
    const auto report = read_model(*shelf, name);
    if (!report) {
      const int failure = report_error(context, "show " + name, report.error());
      status = status == kExitSuccess ? failure : status;
    } else if (context.settings.json) {
      context.out.line(model_object(*report));
    } else {
      if (!first) context.out.line("");
      print_facts(*report, context.out);
      print_files(*report, context.out);
      first = false;
    }
  }
  return status;
}

}  // namespace castool::tools
