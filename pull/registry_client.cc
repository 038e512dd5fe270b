#include "pull/registry_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "manifest/hub_json.h"
#include "pull/address_expiry.h"
#include "pull/api_answer.h"
#include "pull/cached_address.h"
#include "pull/hub_error.h"
#include "pull/hub_urls.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Error;
using base::make_error;
using base::Result;
using base::Status;

constexpr std::string_view kDefaultHost = "registry.ollama.ai";
constexpr std::string_view kDefaultHub = "https://huggingface.co";
constexpr std::string_view kManifestType = "application/vnd.docker.distribution.manifest.v2+json";
constexpr auto kAskAgain = std::chrono::milliseconds(500);
constexpr std::uint64_t kMaxErrorBody = 64u << 10;

// The total of "Content-Range: bytes a-b/total".
std::optional<std::uint64_t> range_total(const fetch::Headers& headers) {
  const auto value = headers.get("Content-Range");
  const std::size_t slash = value ? value->rfind('/') : std::string::npos;
  if (slash == std::string::npos) return std::nullopt;
  const std::string_view text = std::string_view(*value).substr(slash + 1);
  std::uint64_t total = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), total);
  if (bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return total;
}

Error blob_error(const fetch::HttpResponse& response, const base::Digest& digest) {
  const int status = response.head.status;
  const std::string sentence = manifest::error_sentence(response.body);
  const std::string said = sentence.empty() ? std::string() : ": " + sentence;
  Code code = Code::kUnavailable;
  if (status == 404 || status == 410) code = Code::kNotFound;
  if (status == 401 || status == 403 || status == 407 || status == 451) code = Code::kUnauthorized;
  Error error = make_error(
      code, fmt::format("the registry answered {} for {}{}", status, digest.text(), said));
  error.digest = digest.text();
  return error;
}

}  // namespace

Result<std::string> registry_base(const manifest::OllamaSource& source, const Origins& origins,
                                  PlainHttp plain_http) {
  if (source.host == kDefaultHost) {
    return clean_endpoint(origins.ollama_registry, "CASTOOL_OLLAMA_REGISTRY");
  }
  if (source.host == "hf.co" || source.host == "huggingface.co") {
    CASTOOL_ASSIGN(auto hub, clean_endpoint(origins.hub_endpoint, "HF_ENDPOINT"));
    if (hub != kDefaultHub) return hub;
  }
  const bool plain = source.scheme == "http" || plain_http == PlainHttp::kAllow;
  return fmt::format("{}://{}", plain ? "http" : "https", source.host);
}

Error manifest_error(int status, std::string_view sentence) {
  const std::string said = sentence.empty() ? std::string() : fmt::format(": {}", sentence);
  switch (status) {
    case 404:
    case 410:
      // Ollama's own words, which its client looks for.
      return make_error(Code::kNotFound, "pull model manifest: file does not exist");
    case 400:
      return make_error(Code::kNotFound, "pull model manifest: 400" + said,
                        "check the model's name and tag");
    case 401:
    case 403:
    case 407:
    case 451:
      return make_error(Code::kUnauthorized,
                        fmt::format("pull model manifest: {}{}", status, said));
    case 412:
      return make_error(Code::kUnsupported,
                        "the registry keeps this model for newer clients" + said);
    case 429: return make_error(Code::kRateLimited, "the registry asks to slow down" + said);
    default:
      return make_error(Code::kUnavailable, fmt::format("pull model manifest: {}{}", status, said));
  }
}

RegistryClient::RegistryClient(fetch::HttpClient& http, RegistryRepo repo, std::string key_path,
                               base::Clock& clock, base::Log& log)
    : http_(http),
      repo_(std::move(repo)),
      clock_(clock),
      auth_(http, repo_.base, std::move(key_path), clock, log) {}

Result<fetch::HttpResponse> RegistryClient::with_token(const Ask& ask, std::stop_token stop) {
  fetch::Credential credential;
  CASTOOL_ASSIGN(credential.origin, fetch::origin_of(repo_.base));
  credential.value = auth_.authorization();
  auto first = ask(credential);
  if (!first || first->head.status != 401) return first;
  // A 401 of a host that we were redirected to is not the registry's word.
  const auto from = fetch::origin_of(first->final_url);
  if (!from || *from != credential.origin) return first;
  CASTOOL_RETURN_IF_ERROR(auth_.renew(credential.value, first->head.headers, std::move(stop)));
  credential.value = auth_.authorization();
  return ask(credential);
}

Result<RegistryManifest> RegistryClient::manifest(const std::string& tag, std::stop_token stop) {
  fetch::HttpRequest request;
  request.url = fmt::format("{}/v2/{}/{}/manifests/{}", repo_.base, fetch::percent_encode(repo_.ns),
                            fetch::percent_encode(repo_.model), fetch::percent_encode(tag));
  request.headers.add("Accept", std::string(kManifestType));
  const Ask ask = [&](const fetch::Credential& credential) {
    fetch::FetchOptions options;
    options.credential = &credential;
    options.max_body = manifest::kMaxManifestBytes;
    return http_.fetch(request, options, stop);
  };
  for (int attempt = 1;; ++attempt) {
    CASTOOL_ASSIGN(const auto response, with_token(ask, stop));
    if (response.head.status != 200) {
      return manifest_error(response.head.status, manifest::error_sentence(response.body));
    }
    if (!is_broken_json(response.body)) return check_manifest(response);
    if (attempt == kJsonAttempts) return not_an_api_error("a registry", request.url);
    if (!wait_unless_stopped(clock_, kAskAgain, stop)) return cancelled_error();
  }
}

Result<RegistryManifest> RegistryClient::check_manifest(const fetch::HttpResponse& response) const {
  RegistryManifest manifest;
  CASTOOL_ASSIGN(manifest.parsed, manifest::parse_ollama_manifest(response.body));
  if (const auto said = response.head.headers.get("Docker-Content-Digest")) {
    CASTOOL_ASSIGN(const auto digest, base::Digest::parse(*said));
    const auto got = base::Sha256::of(response.body);
    if (digest != got) {
      Error error = make_error(Code::kDigestMismatch,
                               fmt::format("the manifest is not what the registry says: want {}, "
                                           "got {}",
                                           digest.text(), got.text()));
      error.digest = digest.text();
      return error;
    }
  }
  manifest.bytes = response.body;
  return manifest;
}

std::string RegistryClient::blob_url(const base::Digest& digest) const {
  return fmt::format("{}/v2/{}/{}/blobs/{}", repo_.base, fetch::percent_encode(repo_.ns),
                     fetch::percent_encode(repo_.model), digest.text());
}

Result<fetch::BlobAddress> RegistryClient::locate(const manifest::Layer& layer,
                                                  std::stop_token stop) {
  // One byte by GET: a HEAD is answered by some registries themselves and redirected by none of
  // their signed addresses, and a stock registry would send the whole blob to a plain GET.
  fetch::HttpRequest request;
  request.url = blob_url(layer.digest);
  request.range = base::ByteRange{0, 1};
  bool whole_body = false;
  const Ask ask = [&](const fetch::Credential& credential) -> Result<fetch::HttpResponse> {
    fetch::FetchOptions options;
    options.redirects = fetch::Redirects::kStopCrossOrigin;
    options.credential = &credential;
    options.outage = fetch::Outage::kWaitOut;
    options.max_body = std::max(layer.size, kMaxErrorBody);
    std::uint64_t received = 0;
    const auto restart = [&received] {
      received = 0;
      return base::ok();
    };
    const auto sink = [&](std::span<const std::byte> bytes) -> Status {
      received += bytes.size();
      whole_body = received > 1;
      if (!whole_body) return base::ok();
      return make_error(Code::kUnsupported, "the registry ignores ranges");
    };
    return http_.fetch_to(request, options, restart, sink, stop);
  };
  auto response = with_token(ask, stop);
  if (!response && whole_body) {
    // Served here and whole; the downloader copes with that.
    fetch::HttpResponse direct;
    direct.head.status = 200;
    direct.final_url = request.url;
    return address_from(direct, layer);
  }
  if (!response) return std::move(response).error();
  return address_from(*response, layer);
}

Result<fetch::BlobAddress> RegistryClient::address_from(const fetch::HttpResponse& response,
                                                        const manifest::Layer& layer) const {
  const int status = response.head.status;
  fetch::BlobAddress address;
  if (response.stopped_at) {
    address.url = response.stopped_at->url;
    address.reach = response.stopped_at->reach;
    address.expires = address_expiry(address.url, clock_);
    return address;
  }
  if (status == 200 || status == 206) {
    const auto total = status == 206 ? range_total(response.head.headers) : std::nullopt;
    if (total && *total != layer.size) {
      Error error = make_error(Code::kDigestMismatch,
                               fmt::format("{} has {} bytes at the registry, and the manifest says "
                                           "{}",
                                           layer.digest.text(), *total, layer.size));
      error.digest = layer.digest.text();
      return error;
    }
    address.url = response.final_url;
    CASTOOL_ASSIGN(const auto origin, fetch::origin_of(address.url));
    CASTOOL_ASSIGN(const auto home, fetch::origin_of(repo_.base));
    const std::string authorization = auth_.authorization();
    if (origin == home && !authorization.empty()) {
      address.headers.add("Authorization", authorization);
    }
    return address;
  }
  return blob_error(response, layer.digest);
}

Status RegistryClient::read(const manifest::Layer& layer, const std::function<Status()>& restart,
                            const fetch::HttpClient::BodySink& sink, std::stop_token stop) {
  fetch::HttpRequest request;
  request.url = blob_url(layer.digest);
  const Ask ask = [&](const fetch::Credential& credential) {
    fetch::FetchOptions options;
    options.priority = fetch::Priority::kBackground;
    options.outage = fetch::Outage::kWaitOut;
    options.credential = &credential;
    options.max_body = std::max(layer.size, options.max_body);
    options.whole_body = layer.size;
    return http_.fetch_to(request, options, restart, sink, stop);
  };
  CASTOOL_ASSIGN(const auto response, with_token(ask, stop));
  if (response.head.status == 200) return base::ok();
  return blob_error(response, layer.digest);
}

std::shared_ptr<fetch::AddressBook> make_registry_address_book(
    std::shared_ptr<RegistryClient> client, manifest::Layer layer, const base::Clock& clock) {
  return std::make_shared<CachedAddress>(
      [client = std::move(client), layer = std::move(layer)](std::stop_token stop) {
        return client->locate(layer, std::move(stop));
      },
      clock);
}

}  // namespace castool::pull
