// The ollama layout: what OLLAMA_MODELS points at. Both directories are always there, no other is
// empty, and a manifest is the registry's bytes. `ollama serve` stops on one unreadable entry, so a
// model whose manifest cannot be read is left out whole.
#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "fusefs/blob_filler.h"
#include "fusefs/views/view.h"
#include "manifest/manifest.h"

namespace castool::fusefs {
namespace {

using base::Result;
using manifest::RefRecord;

constexpr std::string_view kLayout = "ollama";
constexpr std::string_view kBlobs = "blobs";

struct Shown {
  std::string path;
  std::shared_ptr<const BlobHome> home;
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
};

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

// Every blob that a shown manifest names, once.
Children blob_nodes(const std::vector<Shown>& models, const ManifestSource& manifests, Ino parent) {
  InoMaker inos(kLayout);
  std::map<std::string, NodePtr> nodes;
  for (const Shown& model : models) {
    const auto bytes = manifests.load(model.home->manifest, manifest::kMaxManifestBytes);
    if (!bytes) continue;
    const auto parsed = manifest::parse_ollama_manifest(*bytes);
    if (!parsed) continue;
    for (const manifest::Layer& blob : parsed->distinct_blobs()) {
      std::string name = "sha256-" + blob.digest.hex();
      if (nodes.contains(name)) continue;
      const Ino ino = inos.make(fmt::format("{}/{}", kBlobs, name), blob.digest.hex());
      nodes.emplace(name, Node::file({ino, parent, name, model.mtime},
                                     BlobContent{blob.digest, model.home}, blob.size));
    }
  }
  Children children;
  children.reserve(nodes.size());
  for (auto& [name, node] : nodes) children.push_back(std::move(node));
  return children;
}

}  // namespace

View make_ollama_view(const ViewInput& input) {
  View view;
  std::int64_t newest = 0;
  for (const RefRecord& record : input.records) newest = std::max(newest, record.pulled_at);

  std::vector<Shown> models;
  for (const Place& place : place_all(input.records, Layout::kOllama)) {
    if (place.path.empty()) continue;
    const auto size = manifest_size(input, place.path, place.record->manifest);
    if (!size) {
      view.problems.push_back(fmt::format("{}: {}", place.record->name, size.error().text()));
      continue;
    }
    models.push_back({place.path, BlobHome::of(*place.record), *size, place.record->pulled_at});
  }

  TreeBuilder builder(kLayout, newest);
  InoMaker inos(kLayout);
  builder.add_directory("manifests");
  for (const Shown& model : models) {
    builder.add(model.path, [&](Ino parent, std::string name) {
      const Ino ino = inos.make(model.path, model.home->manifest.hex());
      return Node::file({ino, parent, std::move(name), model.mtime},
                        BlobContent{model.home->manifest, {}}, model.size);
    });
  }
  builder.add(std::string(kBlobs), [&](Ino parent, std::string name) {
    const Ino ino = inos.make(kBlobs, "dir");
    return Node::lazy_directory({ino, parent, std::move(name), newest}, Lifetime::kFollowsRefs,
                                [models, manifests = input.manifests, ino]() -> Result<Children> {
                                  return blob_nodes(models, *manifests, ino);
                                });
  });
  view.tree = builder.build();
  return view;
}

}  // namespace castool::fusefs
