#include "pull/hub_source.h"

#include <algorithm>
#include <utility>

#include "manifest/path_rules.h"

namespace castool::pull {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

class HubModelSource final : public ModelSource {
 public:
  HubModelSource(manifest::HubSource source, FileChoice choice,
                 std::shared_ptr<const HubClient> client, const base::Clock& clock)
      : source_(std::move(source)),
        choice_(std::move(choice)),
        client_(std::move(client)),
        clock_(clock) {}

  Result<RemoteModel> resolve(std::stop_token stop) override {
    CASTOOL_ASSIGN(const auto info, client_->repo_info(source_.repo, source_.revision, stop));
    if (info.disabled) {
      return make_error(Code::kUnauthorized, info.id + " is disabled by the Hub");
    }
    // After a rename the origin knows the repository by its new name, and so do we.
    repo_ = info.id;
    commit_ = info.sha;
    CASTOOL_ASSIGN(auto tree, client_->tree(repo_, commit_, stop));
    CASTOOL_RETURN_IF_ERROR(keep_wanted(tree));
    RemoteModel model;
    model.kind = manifest::ModelKind::kHub;
    model.origin = client_->endpoint() + " " + repo_;
    model.revision = commit_;
    model.restricted = info.gated || info.is_private;
    for (const auto& entry : files_) {
      RemoteFile file;
      file.path = entry.path;
      file.label = entry.path;
      file.size = entry.size;
      file.format = manifest::format_of_path(entry.path);
      file.digest = entry.lfs_sha256;
      // An LFS file's oid is that of its pointer, which says nothing about the content.
      if (!file.digest) file.git_oid = entry.oid;
      model.files.push_back(std::move(file));
    }
    return model;
  }

  Status authorise(const RemoteFile& file, std::stop_token stop) override {
    return client_->authorise(hub_file(file), std::move(stop));
  }

  std::shared_ptr<fetch::AddressBook> addresses(const RemoteFile& file) override {
    return make_hub_address_book(client_, hub_file(file), clock_);
  }

  Status read(const RemoteFile& file, const std::function<Status()>& restart,
              const fetch::HttpClient::BodySink& sink, std::stop_token stop) override {
    return client_->read(hub_file(file), restart, sink, stop);
  }

  std::string manifest_bytes(std::span<const base::Digest> digests) const override {
    manifest::HubManifest manifest;
    manifest.endpoint = client_->endpoint();
    manifest.repo = repo_;
    manifest.commit = commit_;
    for (std::size_t i = 0; i < files_.size() && i < digests.size(); ++i) {
      manifest::FileEntry entry;
      entry.path = files_[i].path;
      entry.digest = digests[i];
      entry.size = files_[i].size;
      if (!files_[i].lfs_sha256) entry.git_oid = files_[i].oid;
      manifest.files.push_back(std::move(entry));
    }
    return manifest::print_hub_manifest(manifest);
  }

 private:
  Status keep_wanted(std::vector<manifest::TreeFile>& tree) {
    std::erase_if(tree, [this](const manifest::TreeFile& file) {
      return !manifest::selected(file.path, choice_.include, choice_.exclude);
    });
    if (tree.empty()) {
      return make_error(Code::kNotFound, "no file of " + repo_ + " is selected",
                        "check --include and --exclude");
    }
    std::sort(tree.begin(), tree.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    std::vector<std::string> paths;
    paths.reserve(tree.size());
    for (const auto& file : tree) paths.push_back(file.path);
    CASTOOL_RETURN_IF_ERROR(manifest::check_path_set(paths));
    files_ = std::move(tree);
    return base::ok();
  }

  [[nodiscard]] HubFile hub_file(const RemoteFile& file) const {
    return {repo_, commit_, file.path, file.size, file.digest};
  }

  const manifest::HubSource source_;
  const FileChoice choice_;
  const std::shared_ptr<const HubClient> client_;
  const base::Clock& clock_;
  // Of resolve(), constant afterwards.
  std::string repo_;
  std::string commit_;
  std::vector<manifest::TreeFile> files_;
};

}  // namespace

Result<std::unique_ptr<ModelSource>> make_hub_source(const manifest::HubSource& source,
                                                     FileChoice choice, HubAccess access,
                                                     fetch::HttpClient& http,
                                                     const base::Clock& clock) {
  auto client = std::make_shared<const HubClient>(http, std::move(access), clock);
  return std::unique_ptr<ModelSource>(
      std::make_unique<HubModelSource>(source, std::move(choice), std::move(client), clock));
}

}  // namespace castool::pull
