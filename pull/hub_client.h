// The questions that a pull asks a Hub, each with its answer checked.
//
// The credential goes to the endpoint only. API answers that redirect within the endpoint are
// followed (a renamed repository); one that leads elsewhere is followed without the credential.
// Blocking; safe from any thread; every call is bounded by HttpClient's retries.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "fetch/downloader.h"
#include "fetch/http_client.h"
#include "manifest/hub_json.h"
#include "pull/hub_error.h"

namespace castool::pull {

// Who asks, and where. `endpoint` is clean (hub_urls.h).
struct HubAccess {
  std::string endpoint;
  fetch::Credential credential;
};
// kUsage for an endpoint or a token that cannot be one.
[[nodiscard]] base::Result<HubAccess> hub_access(std::string_view endpoint, std::string_view token);

// One file of a repository at a commit, with what the tree says of it.
struct HubFile {
  std::string repo;
  std::string commit;
  std::string path;
  std::uint64_t size = 0;
  std::optional<base::Digest> digest;  // LFS
};

class HubClient {
 public:
  HubClient(fetch::HttpClient& http, HubAccess access, const base::Clock& clock)
      : http_(http), access_(std::move(access)), clock_(clock) {}

  [[nodiscard]] const std::string& endpoint() const { return access_.endpoint; }

  [[nodiscard]] base::Result<manifest::RepoInfo> repo_info(const std::string& repo,
                                                           const std::string& revision,
                                                           std::stop_token stop) const;
  // All pages.
  [[nodiscard]] base::Result<std::vector<manifest::TreeFile>> tree(const std::string& repo,
                                                                   const std::string& commit,
                                                                   std::stop_token stop) const;
  // Where the file's bytes are right now; for one that the endpoint serves itself the address
  // carries the credential. kDigestMismatch when the answer contradicts the tree.
  [[nodiscard]] base::Result<fetch::BlobAddress> locate(const HubFile& file,
                                                        std::stop_token stop) const;
  // Whether this caller may have the file: the answer about it, in one request where that is one.
  [[nodiscard]] base::Status authorise(const HubFile& file, std::stop_token stop) const;
  // The file's bytes, unchecked.
  [[nodiscard]] base::Status read(const HubFile& file, const std::function<base::Status()>& restart,
                                  const fetch::HttpClient::BodySink& sink,
                                  std::stop_token stop) const;

 private:
  struct Page;
  template <class Parse>
  [[nodiscard]] auto ask_json(const std::string& url, const HubQuestion& question, Parse parse,
                              std::stop_token stop) const;
  [[nodiscard]] base::Result<fetch::HttpResponse> ask_api(const std::string& url,
                                                          std::stop_token stop) const;
  [[nodiscard]] base::Result<fetch::BlobAddress> address_from(const fetch::HttpResponse& response,
                                                              const HubFile& file) const;
  [[nodiscard]] HubQuestion question(std::string_view repo, std::string_view revision,
                                     std::string_view path) const;

  fetch::HttpClient& http_;
  const HubAccess access_;
  const base::Clock& clock_;
};

// Remembers a file's address and asks again when it has expired or does not work any more.
[[nodiscard]] std::shared_ptr<fetch::AddressBook> make_hub_address_book(
    std::shared_ptr<const HubClient> client, HubFile file, const base::Clock& clock);

}  // namespace castool::pull
