// The hf layout: what HF_HUB_CACHE points at. For each repository of the Hub
//   models--<org>--<name>/refs/<revision>              the commit, 40 hex digits and no newline
//                        /blobs/<etag>                 git's id of a regular file, else the sha256
//                        /snapshots/<commit>/<path>    a link to its blob
// huggingface_hub uses the text of a ref unstripped. Source: huggingface_hub's documentation of its
// cache.
#include <algorithm>
#include <map>
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

// The files of one repository, of which several refs may have a revision each, or a part of one.
class Repository {
 public:
  explicit Repository(const ManifestSource& manifests) : manifests_(manifests) {}

  base::Status add(const RefRecord& record) {
    CASTOOL_ASSIGN(const std::string bytes,
                   manifests_.load(record.manifest, manifest::kMaxHubManifestBytes));
    CASTOOL_ASSIGN(const manifest::HubManifest parsed, manifest::parse_hub_manifest(bytes));
    CASTOOL_ASSIGN(const manifest::Source source, manifest::parse_source(record.source));
    const auto home = BlobHome::of(record);
    for (const manifest::FileEntry& file : parsed.files) {
      const std::string etag = file.git_oid ? file.git_oid->hex() : file.digest.hex();
      const std::string target = link_to(file.path, etag);
      put(fmt::format("snapshots/{}/{}", parsed.commit, file.path), make_link(target),
          target.size());
      put("blobs/" + etag, BlobContent{file.digest, home}, file.size);
    }
    const std::string& revision = std::get<manifest::HubSource>(source).revision;
    if (!is_commit(revision))
      put("refs/" + revision, make_text(parsed.commit), parsed.commit.size());
    return base::ok();
  }
  std::vector<FlatFile> take() { return std::move(files_); }

 private:
  // Who comes first keeps the path.
  void put(std::string path, FileContent content, std::uint64_t size) {
    if (paths_.insert(path).second) files_.push_back({std::move(path), std::move(content), size});
  }

  const ManifestSource& manifests_;
  std::vector<FlatFile> files_;
  std::set<std::string> paths_;
};

Result<std::vector<FlatFile>> files_of(const std::vector<RefRecord>& records,
                                       const ManifestSource& manifests) {
  Repository repository(manifests);
  for (const RefRecord& record : records) CASTOOL_RETURN_IF_ERROR(repository.add(record));
  return repository.take();
}

std::string key_of(const std::vector<RefRecord>& records) {
  std::string key;
  for (const RefRecord& record : records)
    key += fmt::format("{}{}\n{}", key.empty() ? "" : "\n", record.source, record.manifest.hex());
  return key;
}

}  // namespace

void add_hf_view(const ViewInput& input, const ViewPart& part) {
  InoMaker inos(kLayout);
  std::map<std::string, std::vector<RefRecord>> repositories;  // by path
  for (const Place& place : place_all(input.records, Layout::kHf)) {
    if (!place.path.empty()) repositories[place.path].push_back(*place.record);
  }
  for (auto& [path, records] : repositories) {
    const std::int64_t newest = std::ranges::max(records, {}, &RefRecord::pulled_at).pulled_at;
    const std::string key = key_of(records);
    const FixedPlace fixed{std::string(kLayout), path, key, inos.make(path, "model " + key),
                           newest};
    part.builder.add(
        part.prefix + path, [records = std::move(records), fixed, newest,
                             manifests = input.manifests](Ino parent, std::string name) {
          auto info =
              std::make_shared<const ModelInfo>(ModelInfo{BlobHome::of(records.front()), false});
          return Node::lazy_directory(
              {fixed.ino, parent, std::move(name), newest}, Lifetime::kFixed,
              [records, fixed, manifests]() -> Result<Children> {
                CASTOOL_ASSIGN(std::vector<FlatFile> files, files_of(records, *manifests));
                return fixed_children(fixed, std::move(files));
              },
              std::move(info));
        });
  }
}

}  // namespace castool::fusefs
