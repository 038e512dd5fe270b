// The hf layout: what HF_HUB_CACHE points at. For each repository of the Hub
//   models--<org>--<name>/refs/<revision>              the commit, 40 hex digits and no newline
//                        /blobs/<etag>                 git's id of a regular file, else the sha256
//                        /snapshots/<commit>/<path>    a link to its blob
// huggingface_hub uses the text of a ref unstripped. Source: huggingface_hub's documentation of its
// cache.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "fusefs/blob_filler.h"
#include "fusefs/views/view.h"
#include "manifest/manifest.h"
#include "manifest/source.h"

namespace castool::fusefs {
namespace {

using base::Result;
using manifest::RefRecord;

constexpr std::string_view kLayout = "hf";
constexpr std::size_t kCommitDigits = 40;

bool is_commit(std::string_view revision) {
  return revision.size() == kCommitDigits &&
         revision.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string link_to(const std::string& path, const std::string& etag) {
  const auto depth = static_cast<std::size_t>(2 + std::count(path.begin(), path.end(), '/'));
  std::string target;
  for (std::size_t i = 0; i < depth; ++i) target += "../";
  return target + "blobs/" + etag;
}

FlatFile generated(std::string path, FileContent content, std::uint64_t size) {
  return {std::move(path), std::move(content), size};
}

Result<std::vector<FlatFile>> repository(const RefRecord& record, const ManifestSource& manifests) {
  CASTOOL_ASSIGN(const std::string bytes,
                 manifests.load(record.manifest, manifest::kMaxHubManifestBytes));
  CASTOOL_ASSIGN(const manifest::HubManifest parsed, manifest::parse_hub_manifest(bytes));
  CASTOOL_ASSIGN(const manifest::Source source, manifest::parse_source(record.source));
  const auto home = BlobHome::of(record);
  std::vector<FlatFile> files;
  std::set<std::string> blobs;
  for (const manifest::FileEntry& file : parsed.files) {
    const std::string etag = file.git_oid ? file.git_oid->hex() : file.digest.hex();
    const std::string target = link_to(file.path, etag);
    files.push_back(generated(fmt::format("snapshots/{}/{}", parsed.commit, file.path),
                              make_link(target), target.size()));
    if (blobs.insert(etag).second)
      files.push_back({"blobs/" + etag, BlobContent{file.digest, home}, file.size});
  }
  const std::string& revision = std::get<manifest::HubSource>(source).revision;
  if (!is_commit(revision))
    files.push_back(generated("refs/" + revision, make_text(parsed.commit), parsed.commit.size()));
  return files;
}

}  // namespace

void add_hf_view(const ViewInput& input, const ViewPart& part) {
  InoMaker inos(kLayout);
  for (const Place& place : place_all(input.records, Layout::kHf)) {
    if (place.path.empty()) continue;
    const RefRecord& record = *place.record;
    const std::string key = fmt::format("{}\n{}", record.source, record.manifest.hex());
    const Ino ino = inos.make(place.path, "model " + key);
    const FixedPlace fixed{std::string(kLayout), place.path, key, ino, record.pulled_at};
    part.builder.add(part.prefix + place.path, [record, fixed, manifests = input.manifests](
                                                   Ino parent, std::string name) {
      auto info = std::make_shared<const ModelInfo>(ModelInfo{BlobHome::of(record), false});
      return Node::lazy_directory(
          {fixed.ino, parent, std::move(name), record.pulled_at}, Lifetime::kFixed,
          [record, fixed, manifests]() -> Result<Children> {
            CASTOOL_ASSIGN(std::vector<FlatFile> files, repository(record, *manifests));
            return fixed_children(fixed, std::move(files));
          },
          std::move(info));
    });
  }
}

}  // namespace castool::fusefs
