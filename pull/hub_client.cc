#include "pull/hub_client.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "manifest/manifest.h"
#include "pull/address_expiry.h"
#include "pull/api_answer.h"
#include "pull/cached_address.h"
#include "pull/hub_urls.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

// A page of the largest allowed tree, from a mirror that does not page.
constexpr std::uint64_t kMaxAnswer = 96u << 20;
constexpr std::size_t kMaxPages = 2'000;
constexpr int kMaxHubHops = 5;
constexpr auto kAskAgain = std::chrono::milliseconds(500);

// Hosts that are the Hub itself rather than its CDN: a mirror may send us there first.
bool is_public_hub(std::string_view host) { return host == "huggingface.co" || host == "hf.co"; }

// The hex of an ETag: without weakness mark and quotes.
std::string_view etag_hex(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return etag;
}

Status agrees(const fetch::Headers& headers, const HubFile& file) {
  const auto contradiction = [&](std::string_view what) {
    base::Error error = make_error(
        Code::kDigestMismatch,
        fmt::format("the Hub contradicts itself about the {} of '{}'", what, printable(file.path)));
    if (file.digest) error.digest = file.digest->text();
    return error;
  };
  if (const auto text = headers.get("X-Linked-Size")) {
    std::uint64_t size = 0;
    const auto [end, bad] = std::from_chars(text->data(), text->data() + text->size(), size);
    const bool whole = bad == std::errc() && end == text->data() + text->size();
    if (!whole || size != file.size) return contradiction("size");
  }
  const auto etag = headers.get("X-Linked-Etag");
  if (etag && file.digest && etag_hex(*etag).size() == 64 &&
      etag_hex(*etag) != file.digest->hex()) {
    return contradiction("sha256");
  }
  return base::ok();
}

}  // namespace

Result<HubAccess> hub_access(std::string_view endpoint, std::string_view token) {
  HubAccess access;
  CASTOOL_ASSIGN(access.endpoint, clean_endpoint(endpoint, "HF_ENDPOINT"));
  CASTOOL_ASSIGN(access.credential.origin, fetch::origin_of(access.endpoint));
  const bool bad = std::any_of(token.begin(), token.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f;
  });
  if (bad) {
    return make_error(Code::kUsage, "the Hub token has characters that no token has",
                      "check HF_TOKEN or the token file");
  }
  if (!token.empty()) access.credential.value = "Bearer " + std::string(token);
  return access;
}

HubQuestion HubClient::question(std::string_view repo, std::string_view revision,
                                std::string_view path) const {
  HubQuestion question;
  question.endpoint = access_.endpoint;
  question.repo = repo;
  question.revision = revision;
  question.path = path;
  question.caller = access_.credential.value.empty() ? Caller::kAnonymous : Caller::kWithToken;
  return question;
}

Result<fetch::HttpResponse> HubClient::ask_api(const std::string& url, std::stop_token stop) const {
  fetch::FetchOptions options;
  options.redirects = fetch::Redirects::kStopCrossOrigin;
  options.credential = &access_.credential;
  options.max_body = kMaxAnswer;
  fetch::HttpRequest request;
  request.url = url;
  CASTOOL_ASSIGN(auto response, http_.fetch(request, options, stop));
  if (!response.stopped_at) return response;
  request.url = response.stopped_at->url;
  request.reach = response.stopped_at->reach;
  options.redirects = fetch::Redirects::kFollow;
  options.credential = nullptr;
  return http_.fetch(request, options, stop);
}

template <class Parse>
auto HubClient::ask_json(const std::string& url, const HubQuestion& question, Parse parse,
                         std::stop_token stop) const {
  using Parsed = typename std::invoke_result_t<Parse, const fetch::HttpResponse&>;
  const auto attempt = [&](bool last) -> std::optional<Parsed> {
    auto response = ask_api(url, stop);
    if (!response) return Parsed(std::move(response).error());
    if (response->head.status != 200) return Parsed(hub_error(hub_answer(*response), question));
    auto parsed = parse(*response);
    if (parsed || !is_broken_json(response->body)) return parsed;
    if (last) return Parsed(not_an_api_error("a Hub", url));
    return std::nullopt;
  };
  for (int i = 1;; ++i) {
    if (auto result = attempt(i >= kJsonAttempts)) return *std::move(result);
    if (!wait_unless_stopped(clock_, kAskAgain, stop)) return Parsed(cancelled_error());
  }
}

Result<manifest::RepoInfo> HubClient::repo_info(const std::string& repo,
                                                const std::string& revision,
                                                std::stop_token stop) const {
  return ask_json(
      repo_info_url(access_.endpoint, repo, revision), question(repo, revision, ""),
      [](const fetch::HttpResponse& response) { return manifest::parse_repo_info(response.body); },
      stop);
}

struct HubClient::Page {
  std::vector<manifest::TreeFile> files;
  std::optional<std::string> next;
};

Result<std::vector<manifest::TreeFile>> HubClient::tree(const std::string& repo,
                                                        const std::string& commit,
                                                        std::stop_token stop) const {
  const auto parse = [this](const fetch::HttpResponse& response) -> Result<Page> {
    Page page;
    CASTOOL_ASSIGN(page.files, manifest::parse_tree_page(response.body));
    const auto link = response.head.headers.get("Link");
    const auto next = link ? manifest::next_link(*link) : std::nullopt;
    if (next) {
      CASTOOL_ASSIGN(page.next, next_page_url(access_.endpoint, *next));
    }
    return page;
  };
  std::vector<manifest::TreeFile> files;
  std::set<std::string> asked;
  std::optional<std::string> url = tree_url(access_.endpoint, repo, commit);
  while (url) {
    if (!asked.insert(*url).second || asked.size() > kMaxPages) {
      return make_error(Code::kBadManifest, "the file listing of " + repo + " never ends");
    }
    CASTOOL_ASSIGN(Page page, ask_json(*url, question(repo, commit, ""), parse, stop));
    if (files.size() + page.files.size() > manifest::kMaxHubFiles) {
      return make_error(Code::kBadManifest,
                        fmt::format("{} has more than {} files", repo, manifest::kMaxHubFiles));
    }
    std::move(page.files.begin(), page.files.end(), std::back_inserter(files));
    url = std::move(page.next);
  }
  return files;
}

Result<fetch::BlobAddress> HubClient::locate(const HubFile& file, std::stop_token stop) const {
  fetch::HttpRequest request;
  request.method = fetch::Method::kHead;
  request.url = resolve_url(access_.endpoint, file.repo, file.commit, file.path);
  fetch::FetchOptions options;
  options.redirects = fetch::Redirects::kStopCrossOrigin;
  options.credential = &access_.credential;
  options.outage = fetch::Outage::kWaitOut;
  for (int hop = 0; hop < kMaxHubHops; ++hop) {
    CASTOOL_ASSIGN(const auto response, http_.fetch(request, options, stop));
    CASTOOL_ASSIGN(auto address, address_from(response, file));
    CASTOOL_ASSIGN(const auto target, fetch::origin_of(address.url));
    if (!response.stopped_at || !is_public_hub(target.host)) return address;
    request.url = address.url;
    request.reach = address.reach;
  }
  return make_error(Code::kUnavailable,
                    fmt::format("too many redirects for '{}'", printable(file.path)));
}

Status HubClient::authorise(const HubFile& file, std::stop_token stop) const {
  fetch::HttpRequest request;
  request.method = fetch::Method::kHead;
  request.url = resolve_url(access_.endpoint, file.repo, file.commit, file.path);
  fetch::FetchOptions options;
  options.redirects = fetch::Redirects::kStop;
  options.credential = &access_.credential;
  CASTOOL_ASSIGN(const auto response, http_.fetch(request, options, stop));
  // A redirect that names the commit is the Hub's own answer, to whoever may have the file; any
  // other only leads to whom to ask.
  const bool leads_on = response.stopped_at && !response.head.headers.get("X-Repo-Commit");
  CASTOOL_RETURN_IF_ERROR(leads_on ? locate(file, std::move(stop)) : address_from(response, file));
  return base::ok();
}

Result<fetch::BlobAddress> HubClient::address_from(const fetch::HttpResponse& response,
                                                   const HubFile& file) const {
  fetch::BlobAddress address;
  CASTOOL_RETURN_IF_ERROR(agrees(response.head.headers, file));
  if (response.stopped_at) {
    address.url = response.stopped_at->url;
    address.reach = response.stopped_at->reach;
    address.expires = address_expiry(address.url, clock_);
    return address;
  }
  if (response.head.status == 200) {
    address.url = response.final_url;
    CASTOOL_ASSIGN(const auto origin, fetch::origin_of(address.url));
    if (origin == access_.credential.origin && !access_.credential.value.empty()) {
      address.headers.add("Authorization", access_.credential.value);
    }
    return address;
  }
  return hub_error(hub_answer(response), question(file.repo, file.commit, file.path));
}

Status HubClient::read(const HubFile& file, const std::function<Status()>& restart,
                       const fetch::HttpClient::BodySink& sink, std::stop_token stop) const {
  fetch::HttpRequest request;
  request.url = resolve_url(access_.endpoint, file.repo, file.commit, file.path);
  fetch::FetchOptions options;
  options.priority = fetch::Priority::kBackground;
  options.outage = fetch::Outage::kWaitOut;
  options.credential = &access_.credential;
  options.max_body = std::max<std::uint64_t>(file.size, options.max_body);
  options.whole_body = file.size;
  CASTOOL_ASSIGN(const auto response, http_.fetch_to(request, options, restart, sink, stop));
  if (response.head.status == 200) return base::ok();
  return hub_error(hub_answer(response), question(file.repo, file.commit, file.path));
}

std::shared_ptr<fetch::AddressBook> make_hub_address_book(std::shared_ptr<const HubClient> client,
                                                          HubFile file, const base::Clock& clock) {
  return std::make_shared<CachedAddress>(
      [client = std::move(client), file = std::move(file)](std::stop_token stop) {
        return client->locate(file, std::move(stop));
      },
      clock);
}

}  // namespace castool::pull
