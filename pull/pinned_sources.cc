#include "pull/pinned_sources.h"

#include <algorithm>
#include <utility>

#include "pull/hub_client.h"
#include "pull/hub_urls.h"
#include "pull/model_blobs.h"

namespace castool::pull {
namespace {

using base::Code;
using base::make_error;
using base::Result;

// "endpoint SPACE repository" in two.
Result<std::pair<std::string, std::string>> split_origin(const std::string& origin) {
  const std::size_t space = origin.find(' ');
  if (space == std::string::npos) {
    return make_error(Code::kBadManifest, "the record of the model names no origin",
                      "pull it again");
  }
  return std::pair(origin.substr(0, space), origin.substr(space + 1));
}

}  // namespace

// Makes the real book when it is first asked.
class PinnedSources::Book final : public fetch::AddressBook {
 public:
  Book(PinnedSources& sources, BlobHome home, cas::PartialKey key, fetch::HttpClient& http)
      : sources_(sources), home_(std::move(home)), key_(std::move(key)), http_(http) {}

  [[nodiscard]] Result<fetch::BlobAddress> address(Need need, std::stop_token stop) override {
    if (!real_) {
      CASTOOL_ASSIGN(real_, sources_.make_book(home_, key_, http_));
    }
    return real_->address(need, std::move(stop));
  }

 private:
  PinnedSources& sources_;
  const BlobHome home_;
  const cas::PartialKey key_;
  fetch::HttpClient& http_;
  std::shared_ptr<fetch::AddressBook> real_;
};

std::shared_ptr<fetch::AddressBook> PinnedSources::addresses(const BlobHome& home,
                                                             const cas::PartialKey& key,
                                                             fetch::HttpClient& http) {
  return std::make_shared<Book>(*this, home, key, http);
}

PinnedSources::BookResult PinnedSources::make_book(const BlobHome& home, const cas::PartialKey& key,
                                                   fetch::HttpClient& http) {
  return home.kind == manifest::ModelKind::kHub ? hub_book(home, key, http)
                                                : registry_book(home, key, http);
}

PinnedSources::BookResult PinnedSources::hub_book(const BlobHome& home, const cas::PartialKey& key,
                                                  fetch::HttpClient& http) const {
  CASTOOL_ASSIGN(const auto origin, split_origin(home.origin));
  const auto& [endpoint, repo] = origin;
  CASTOOL_ASSIGN(const auto ours, clean_endpoint(origins_.hub_endpoint, "HF_ENDPOINT"));
  CASTOOL_ASSIGN(auto access, hub_access(endpoint, endpoint == ours ? origins_.hub_token : ""));
  CASTOOL_ASSIGN(const auto blobs, model_blobs(store_, home.kind, home.manifest));
  const auto file = std::find_if(blobs.begin(), blobs.end(),
                                 [&](const ModelBlob& blob) { return blob.digest == key.digest; });
  if (file == blobs.end()) {
    return make_error(Code::kNotFound, home.name + " has no file " + key.digest.text());
  }
  auto client = std::make_shared<const HubClient>(http, std::move(access), clock_);
  return make_hub_address_book(std::move(client),
                               {repo, home.revision, file->path, key.size, key.digest}, clock_);
}

PinnedSources::BookResult PinnedSources::registry_book(const BlobHome& home,
                                                       const cas::PartialKey& key,
                                                       fetch::HttpClient& http) {
  CASTOOL_ASSIGN(const auto origin, split_origin(home.origin));
  const auto& [base, repository] = origin;
  const std::size_t slash = repository.find('/');
  if (slash == std::string::npos) {
    return make_error(Code::kBadManifest, "the record of " + home.name + " names no repository",
                      "pull it again");
  }
  RegistryRepo repo{base, repository.substr(0, slash), repository.substr(slash + 1)};
  std::shared_ptr<RegistryClient> client;
  {
    const base::MutexLock lock(mutex_);
    auto& known = registries_[home.origin];
    if (!known) {
      known = std::make_shared<RegistryClient>(http, std::move(repo), origins_.ollama_key_path,
                                               clock_, log_);
    }
    client = known;
  }
  return make_registry_address_book(std::move(client), {"", key.digest, key.size}, clock_);
}

}  // namespace castool::pull
