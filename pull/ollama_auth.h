// The token of one repository at one registry, fetched when the registry asks for one.
//
// A registry answers 401 with a Bearer challenge; the realm it names gives a token for a request
// that is signed with the user's Ollama key, or for an anonymous one when there is no key (stock
// registries hand out pull tokens so). One instance serves one repository, hence one scope. Safe
// from any thread: several requests that are refused at once lead to one token request.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "fetch/http_client.h"
#include "pull/auth_challenge.h"

namespace castool::pull {

// Where tokens are asked for: the realm with its query, sorted by name as Go's url.Values prints
// it. `nonce` and `unix_seconds` are part of a signed request only.
struct TokenRequestStamp {
  std::string nonce;
  std::int64_t unix_seconds = 0;
};
[[nodiscard]] std::string token_url(const BearerChallenge& challenge,
                                    const std::optional<TokenRequestStamp>& stamp);
// The token of an answer, `token` or `access_token`. kUnavailable when there is none.
[[nodiscard]] base::Result<std::string> parse_token_answer(std::string_view body);

class OllamaAuth {
 public:
  // `registry`: "scheme://host[:port]". `key_path` may name no file.
  OllamaAuth(fetch::HttpClient& http, std::string registry, std::string key_path,
             base::Clock& clock, base::Log& log);

  // The value of Authorization to send; empty before a token was needed.
  [[nodiscard]] std::string authorization() const CASTOOL_EXCLUDES(mutex_);
  // After a 401 to a request that carried `refused`: gets a new token, or finds that another thread
  // has done so since.
  [[nodiscard]] base::Status renew(const std::string& refused, const fetch::Headers& answer,
                                   std::stop_token stop) CASTOOL_EXCLUDES(mutex_);

 private:
  [[nodiscard]] base::Result<std::string> ask_token(const fetch::Headers& answer,
                                                    fetch::Outage outage,
                                                    std::stop_token stop) const;
  // "" without a usable key.
  [[nodiscard]] base::Result<fetch::HttpRequest> token_request(
      const BearerChallenge& challenge) const;

  fetch::HttpClient& http_;
  const std::string registry_;
  const std::string key_path_;
  base::Clock& clock_;
  base::Log& log_;

  mutable base::Mutex mutex_;
  base::CondVar renewed_;
  std::string authorization_ CASTOOL_GUARDED_BY(mutex_);
  bool renewing_ CASTOOL_GUARDED_BY(mutex_) = false;
};

}  // namespace castool::pull
