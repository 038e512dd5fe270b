#include "pull/ollama_auth.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>

#include "manifest/hub_json.h"
#include "manifest/json_value.h"
#include "pull/hub_error.h"
#include "pull/ollama_signature.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

constexpr std::size_t kMaxTokenAnswer = 256u << 10;
constexpr std::size_t kMaxToken = 16u << 10;
constexpr std::size_t kNonceBytes = 16;
constexpr auto kPoll = std::chrono::milliseconds(50);

// The user's key; nullopt when there is no file.
Result<std::optional<Ed25519Key>> read_key(const std::string& path) {
  if (path.empty()) return std::optional<Ed25519Key>();
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::optional<Ed25519Key>();
  std::string text(std::istreambuf_iterator<char>(file), {});
  CASTOOL_ASSIGN(auto key, Ed25519Key::parse_openssh(text));
  return std::optional<Ed25519Key>(std::move(key));
}

}  // namespace

std::string token_url(const BearerChallenge& challenge,
                      const std::optional<TokenRequestStamp>& stamp) {
  std::string query;
  const auto add = [&query](std::string_view name, std::string_view value) {
    if (!query.empty()) query += '&';
    query.append(name).append("=").append(fetch::percent_encode(value));
  };
  if (stamp) add("nonce", stamp->nonce);
  for (const auto& scope : challenge.scopes) add("scope", scope);
  if (!challenge.service.empty()) add("service", challenge.service);
  if (stamp) add("ts", std::to_string(stamp->unix_seconds));
  std::string url = challenge.realm.substr(0, challenge.realm.find('#'));
  if (query.empty()) return url;
  return url + (url.find('?') == std::string::npos ? '?' : '&') + query;
}

Result<std::string> parse_token_answer(std::string_view body) {
  const base::Error none = make_error(Code::kUnavailable, "the registry gave no token");
  const manifest::JsonLimits limits{kMaxTokenAnswer, 1'000, 32};
  const auto json = manifest::parse_json(body, limits, "token");
  if (!json) return none;
  const manifest::JsonFields fields(*json, "token");
  for (const std::string_view name : {"token", "access_token"}) {
    const auto token = fields.string_or(name, "");
    if (!token || token->empty()) continue;
    // What goes into a header line must not be able to end it.
    const bool plain = std::all_of(token->begin(), token->end(), [](char c) {
      return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
    });
    if (plain && token->size() <= kMaxToken) return *token;
  }
  return none;
}

OllamaAuth::OllamaAuth(fetch::HttpClient& http, std::string registry, std::string key_path,
                       base::Clock& clock, base::Log& log)
    : http_(http),
      registry_(std::move(registry)),
      key_path_(std::move(key_path)),
      clock_(clock),
      log_(log) {}

std::string OllamaAuth::authorization() const {
  const base::MutexLock lock(mutex_);
  return authorization_;
}

Status OllamaAuth::renew(const std::string& refused, const fetch::Headers& answer,
                         std::stop_token stop) {
  {
    const base::MutexLock lock(mutex_);
    while (renewing_) {
      renewed_.wait_until(mutex_, std::chrono::steady_clock::now() + kPoll);
      if (stop.stop_requested()) return cancelled_error();
    }
    if (authorization_ != refused) return base::ok();
    renewing_ = true;
  }
  // The first one says whether there is anybody to ask; later ones are part of what goes on.
  const auto outage = refused.empty() ? fetch::Outage::kGiveUp : fetch::Outage::kWaitOut;
  auto token = ask_token(answer, outage, stop);
  {
    const base::MutexLock lock(mutex_);
    renewing_ = false;
    if (token) authorization_ = "Bearer " + *token;
  }
  renewed_.notify_all();
  if (!token) return std::move(token).error();
  return base::ok();
}

Result<fetch::HttpRequest> OllamaAuth::token_request(const BearerChallenge& challenge) const {
  fetch::HttpRequest request;
  auto key = read_key(key_path_);
  if (!key) log_.warn("{}: {}; asking for a token without it", key_path_, key.error().text());
  if (!key || !*key) {
    request.url = token_url(challenge, std::nullopt);
    return request;
  }
  TokenRequestStamp stamp;
  CASTOOL_ASSIGN(const std::string nonce, random_bytes(kNonceBytes));
  stamp.nonce = base64_url(nonce);
  stamp.unix_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.wall_now().time_since_epoch())
          .count();
  request.url = token_url(challenge, stamp);
  CASTOOL_ASSIGN(std::string authorization, signed_authorization(**key, request.url));
  request.headers.add("Authorization", std::move(authorization));
  return request;
}

Result<std::string> OllamaAuth::ask_token(const fetch::Headers& answer, fetch::Outage outage,
                                          std::stop_token stop) const {
  const auto challenge = parse_bearer_challenge(answer.all("WWW-Authenticate"));
  if (!challenge) {
    return make_error(Code::kUnauthorized,
                      "the registry wants a login of a kind that is not known here");
  }
  CASTOOL_RETURN_IF_ERROR(check_realm(challenge->realm, registry_));
  CASTOOL_ASSIGN(auto request, token_request(*challenge));
  fetch::FetchOptions options;
  // The signature is good for this one address, so nobody else gets to see it.
  options.redirects = fetch::Redirects::kStopCrossOrigin;
  options.max_body = kMaxTokenAnswer;
  options.outage = outage;
  fetch::Credential credential;
  if (const auto value = request.headers.get("Authorization")) {
    CASTOOL_ASSIGN(credential.origin, fetch::origin_of(request.url));
    credential.value = *value;
    request.headers = {};
    options.credential = &credential;
  }
  CASTOOL_ASSIGN(const auto response, http_.fetch(request, options, std::move(stop)));
  if (response.head.status == 200) return parse_token_answer(response.body);
  const std::string sentence = manifest::error_sentence(response.body);
  return make_error(Code::kUnauthorized,
                    fmt::format("the registry gives no token: {}{}{}", response.head.status,
                                sentence.empty() ? "" : ": ", sentence),
                    key_path_.empty() ? "" : "it may want the key at " + key_path_);
}

}  // namespace castool::pull
