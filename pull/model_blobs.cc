#include "pull/model_blobs.h"

#include <set>

#include "cas/partial.h"
#include "manifest/manifest.h"

namespace castool::pull {

using base::Result;

Result<std::vector<ModelBlob>> model_blobs(const cas::Store& store, manifest::ModelKind kind,
                                           const base::Digest& manifest) {
  std::vector<ModelBlob> blobs;
  if (kind == manifest::ModelKind::kHub) {
    CASTOOL_ASSIGN(const auto bytes, store.read_small(manifest, manifest::kMaxHubManifestBytes));
    CASTOOL_ASSIGN(auto hub, manifest::parse_hub_manifest(bytes));
    for (auto& file : hub.files) blobs.push_back({std::move(file.path), file.digest, file.size});
    return blobs;
  }
  CASTOOL_ASSIGN(const auto bytes, store.read_small(manifest, manifest::kMaxManifestBytes));
  CASTOOL_ASSIGN(const auto ollama, manifest::parse_ollama_manifest(bytes));
  for (const auto& layer : ollama.distinct_blobs()) {
    blobs.push_back({layer.digest.text(), layer.digest, layer.size});
  }
  return blobs;
}

Result<Presence> presence_of(const cas::Store& store, const std::vector<ModelBlob>& blobs,
                             const std::string& origin, const MayRead& may_read) {
  Presence presence;
  std::set<base::Digest> counted;
  for (const ModelBlob& blob : blobs) {
    if (!counted.insert(blob.digest).second) continue;
    CASTOOL_ASSIGN(const auto stored, store.size_of(blob.digest));
    if (stored && may_read(blob.digest)) {
      presence.bytes += *stored;
      presence.stored += *stored;
      continue;
    }
    presence.state = manifest::RefState::kPartial;
    CASTOOL_ASSIGN(const auto partial, cas::find_partial(store, blob.digest, origin));
    if (partial) presence.bytes += partial->present;
  }
  return presence;
}

}  // namespace castool::pull
