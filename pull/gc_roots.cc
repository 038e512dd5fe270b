#include "pull/gc_roots.h"

#include <algorithm>
#include <utility>

#include "cas/ref_store.h"
#include "manifest/ref_record.h"
#include "pull/model_blobs.h"

namespace castool::pull {
namespace {

using base::Error;
using base::Result;

Error unreadable(const std::string& ns, const std::string& name, const Error& why) {
  return base::make_error(base::Code::kBadManifest,
                          "nothing was deleted: what " + name + " (namespace " + ns +
                              ") needs cannot be read: " + why.message,
                          "pull it again, or castool rm " + name);
}

// Adds what the manifest names, and itself.
base::Status add_digests(const cas::Store& store, manifest::ModelKind kind,
                         const base::Digest& manifest, ManifestDigests& known,
                         std::vector<base::Digest>& digests) {
  auto found = known.find(manifest);
  if (found == known.end()) {
    CASTOOL_ASSIGN(const auto blobs, model_blobs(store, kind, manifest));
    std::vector<base::Digest> named{manifest};
    for (const ModelBlob& blob : blobs) named.push_back(blob.digest);
    found = known.emplace(manifest, std::move(named)).first;
  }
  digests.insert(digests.end(), found->second.begin(), found->second.end());
  return base::ok();
}

Result<GcRef> root_of(const cas::Store& store, const std::string& ns, const std::string& name,
                      const std::string& bytes, ManifestDigests& known) {
  CASTOOL_ASSIGN(const auto record, manifest::parse_ref_record(bytes));
  GcRef ref{ns, name, {record.origin}, record.pinned, record.last_used_at, {}};
  CASTOOL_RETURN_IF_ERROR(add_digests(store, record.kind, record.manifest, known, ref.digests));
  for (const auto& attachment : record.attachments) {
    ref.origins.push_back(attachment.origin);
    CASTOOL_RETURN_IF_ERROR(
        add_digests(store, manifest::ModelKind::kHub, attachment.manifest, known, ref.digests));
  }
  std::ranges::sort(ref.digests);
  ref.digests.erase(std::unique(ref.digests.begin(), ref.digests.end()), ref.digests.end());
  return ref;
}

}  // namespace

Result<GcRoots> read_roots(const cas::Store& store, ManifestDigests& known) {
  GcRoots roots;
  CASTOOL_ASSIGN(const auto namespaces, cas::RefStore::namespaces(store));
  for (const std::string& ns : namespaces) {
    CASTOOL_ASSIGN(auto named, cas::RefStore::list(store, ns));
    for (auto& [name, bytes] : named) {
      auto ref = root_of(store, ns, name, bytes, known);
      if (!ref) return unreadable(ns, name, ref.error());
      roots.refs.push_back(*std::move(ref));
      roots.records.push_back(std::move(bytes));
    }
  }
  return roots;
}

}  // namespace castool::pull
