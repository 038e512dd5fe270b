#include "tools/update_report.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "manifest/manifest.h"
#include "pull/model_blobs.h"
#include "tools/reports.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

Status add_hub_files(const cas::Store& store, const base::Digest& manifest,
                     const std::string& below, std::vector<KnownFile>& files) {
  CASTOOL_ASSIGN(const std::string bytes,
                 store.read_small(manifest, manifest::kMaxHubManifestBytes));
  CASTOOL_ASSIGN(manifest::HubManifest hub, manifest::parse_hub_manifest(bytes));
  for (manifest::FileEntry& file : hub.files) {
    KnownFile known{below + file.path, {file.digest.text()}};
    if (file.git_oid) known.digests.push_back("git-sha1:" + file.git_oid->hex());
    files.push_back(std::move(known));
  }
  return base::ok();
}

}  // namespace

Result<std::vector<KnownFile>> known_files(const cas::Store& store,
                                           const manifest::RefRecord& record) {
  std::vector<KnownFile> files;
  if (record.kind == manifest::ModelKind::kHub) {
    CASTOOL_RETURN_IF_ERROR(add_hub_files(store, record.manifest, {}, files));
  } else {
    CASTOOL_ASSIGN(const auto blobs, pull::model_blobs(store, record.kind, record.manifest));
    files.reserve(blobs.size());
    for (const pull::ModelBlob& blob : blobs) files.push_back({blob.path, {blob.digest.text()}});
  }
  for (const manifest::Attachment& attachment : record.attachments) {
    CASTOOL_RETURN_IF_ERROR(
        add_hub_files(store, attachment.manifest, attachment.path + "/", files));
  }
  return files;
}

UpdateReport update_report(std::span<const KnownFile> was, std::span<const pull::PlannedFile> now) {
  UpdateReport report;
  std::map<std::string_view, const KnownFile*> known;
  for (const KnownFile& file : was) known.emplace(file.path, &file);
  std::set<std::string_view> there;
  for (const pull::PlannedFile& file : now) {
    there.insert(file.path);
    const auto before = known.find(file.path);
    if (before == known.end()) {
      report.added.push_back(file.path);
      continue;
    }
    const auto& digests = before->second->digests;
    if (std::find(digests.begin(), digests.end(), file.digest) == digests.end()) {
      report.changed.push_back(file.path);
    }
  }
  for (const KnownFile& file : was) {
    if (!there.contains(file.path)) report.removed.push_back(file.path);
  }
  report.bytes_to_fetch = dry_run_report(now).bytes_to_fetch;
  return report;
}

}  // namespace castool::tools
