// The ollama layout: what OLLAMA_MODELS points at. Both directories are always there, no other is
// empty, and a manifest is the registry's bytes. `ollama serve` stops on one unreadable entry, so a
// model whose manifest cannot be read is left out whole.
//
// A GGUF of the Hub is shown too, once it is in the store: with a manifest and small blobs that are
// made of what it says about itself (manifest/gguf_model.h). What a registry sent under the same
// name wins.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "fusefs/blob_filler.h"
#include "fusefs/views/view.h"
#include "manifest/gguf_model.h"
#include "manifest/manifest.h"

namespace castool::fusefs {
namespace {

using base::Result;
using manifest::ModelKind;
using manifest::RefRecord;

constexpr std::string_view kLayout = "ollama";
constexpr std::string_view kBlobs = "blobs";
constexpr std::string_view kManifests = "manifests/";

struct ShownBlob {
  FileContent content;
  std::uint64_t size = 0;
};

struct Shown {
  std::string path;
  FileContent manifest;
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::shared_ptr<const BlobHome> home;  // of what a registry sent, whose manifest names the blobs
  std::vector<ShownBlob> made;           // the blobs of what was made
};

ShownBlob text_blob(std::string text) {
  const std::uint64_t size = text.size();
  return {make_text(std::move(text)), size};
}

Result<std::uint64_t> manifest_size(const ViewInput& input, const std::string& path,
                                    const base::Digest& digest) {
  if (input.previous != nullptr) {
    const auto before = input.previous->find(path);
    if (before && *before && !(*before)->is_directory() &&
        digest_of((*before)->content()) == digest)
      return (*before)->size();
  }
  return input.manifests->size(digest);
}

std::vector<ShownBlob> blobs_of(const Shown& model, const ManifestSource& manifests) {
  if (!model.home) return model.made;
  std::vector<ShownBlob> blobs;
  const auto bytes = manifests.load(model.home->manifest, manifest::kMaxManifestBytes);
  if (!bytes) return blobs;
  const auto parsed = manifest::parse_ollama_manifest(*bytes);
  if (!parsed) return blobs;
  for (const manifest::Layer& blob : parsed->distinct_blobs())
    blobs.push_back({BlobContent{blob.digest, model.home}, blob.size});
  return blobs;
}

// Every blob that a shown manifest names, once.
Children blob_nodes(const std::vector<Shown>& models, const ManifestSource& manifests, Ino parent) {
  InoMaker inos(kLayout);
  std::map<std::string, NodePtr> nodes;
  for (const Shown& model : models) {
    for (ShownBlob& blob : blobs_of(model, manifests)) {
      const std::string hex = digest_of(blob.content).hex();
      std::string name = "sha256-" + hex;
      if (nodes.contains(name)) continue;
      const Ino ino = inos.make(fmt::format("{}/{}", kBlobs, name), hex);
      nodes.emplace(
          name, Node::file({ino, parent, name, model.mtime}, std::move(blob.content), blob.size));
    }
  }
  Children children;
  children.reserve(nodes.size());
  for (auto& [name, node] : nodes) children.push_back(std::move(node));
  return children;
}

// Ollama takes names for the same that differ in case alone.
std::string folded(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

Result<Shown> make_shown(const RefRecord& record, const manifest::GgufName& name,
                         const ManifestSource& manifests) {
  const manifest::FileEntry& file = *name.file;
  const BlobContent gguf{file.digest, BlobHome::of(record)};
  CASTOOL_ASSIGN(const manifest::GgufMetadata metadata, manifests.gguf(gguf));
  CASTOOL_ASSIGN(manifest::MadeModel made,
                 manifest::make_gguf_model(metadata, file.digest, file.size));
  Shown shown;
  shown.path = std::string(kManifests) + name.path;
  shown.size = made.manifest.size();
  shown.mtime = record.pulled_at;
  shown.manifest = make_text(std::move(made.manifest));
  for (std::string& blob : made.blobs) shown.made.push_back(text_blob(std::move(blob)));
  shown.made.push_back({gguf, file.size});
  return shown;
}

// The GGUFs of a repository, without those whose name is taken.
void add_ggufs(const RefRecord& record, const ViewInput& input, const ViewPart& part,
               std::set<std::string>& taken, std::vector<Shown>& models) {
  const auto bytes = input.manifests->load(record.manifest, manifest::kMaxHubManifestBytes);
  if (!bytes || folded(*bytes).find(".gguf\"") == std::string::npos) return;
  const auto parsed = manifest::parse_hub_manifest(*bytes);
  if (!parsed) return;
  for (const manifest::GgufName& name : manifest::gguf_names(*parsed)) {
    if (name.path.empty() || taken.contains(folded(std::string(kManifests) + name.path))) continue;
    auto shown = make_shown(record, name, *input.manifests);
    if (!shown) {
      const base::Code code = shown.error().code;
      if (code != base::Code::kNotFound && code != base::Code::kUnsupported)
        part.problems.push_back(fmt::format("{}: {} is not shown to Ollama: {}", record.name,
                                            name.file->path, shown.error().text()));
      continue;
    }
    taken.insert(folded(shown->path));
    models.push_back(*std::move(shown));
  }
}

}  // namespace

void add_ollama_view(const ViewInput& input, const ViewPart& part) {
  std::vector<Shown> models;
  std::set<std::string> taken;
  const std::vector<Place> places = place_all(input.records, Layout::kOllama);
  for (const Place& place : places) {
    const RefRecord& record = *place.record;
    if (place.path.empty()) continue;
    const auto size = manifest_size(input, part.prefix + place.path, record.manifest);
    if (!size) {
      part.problems.push_back(fmt::format("{}: {}", record.name, size.error().text()));
      continue;
    }
    taken.insert(folded(place.path));
    models.push_back({place.path,
                      BlobContent{record.manifest, {}},
                      *size,
                      record.pulled_at,
                      BlobHome::of(record),
                      {}});
  }
  for (const Place& place : places) {
    if (place.record->kind == ModelKind::kHub &&
        place.record->state != manifest::RefState::kDamaged)
      add_ggufs(*place.record, input, part, taken, models);
  }

  InoMaker inos(kLayout);
  part.builder.add_directory(part.prefix + "manifests");
  for (const Shown& model : models) {
    const Ino ino = inos.make(model.path, digest_of(model.manifest).hex());
    part.builder.add(part.prefix + model.path, [model, ino](Ino parent, std::string name) {
      return Node::file({ino, parent, std::move(name), model.mtime}, model.manifest, model.size);
    });
  }
  const Ino ino = inos.make(kBlobs, "dir");
  auto expand = [models = std::move(models), manifests = input.manifests,
                 ino]() -> Result<Children> { return blob_nodes(models, *manifests, ino); };
  part.builder.add(
      part.prefix + std::string(kBlobs),
      [expand = std::move(expand), ino, newest = part.newest](Ino parent, std::string name) {
        return Node::lazy_directory({ino, parent, std::move(name), newest}, Lifetime::kFollowsRefs,
                                    expand);
      });
}

}  // namespace castool::fusefs
