// The token endpoint of an Ollama registry: checks the signed request, hands out tokens.
//
// The one file of the hub that knows OpenSSL. What is signed: "GET,<full address>,<constant>", the
// constant being base64 of the hex SHA-256 of nothing; Authorization: "<base64 ssh public key>:
// <base64 signature>" without a scheme word (reference: ollama, section 2). Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/mutex.h"
#include "tests/support/hub/http.h"

namespace castool::hub {

class RegistryTokens {
 public:
  // GET /v2/token?nonce=..&scope=..&service=..&ts=..: 200 {"token": ...}, or 401 that says what is
  // wrong with the request. `origin_url` is "http://host:port" as the client knows it.
  [[nodiscard]] Response issue(const Request& request, const std::string& origin_url,
                               double token_seconds);
  [[nodiscard]] bool is_valid(const std::string& token) const;
  // No token handed out so far is valid any more.
  void revoke_all();

 private:
  mutable base::Mutex mutex_;
  std::set<std::string> nonces_ CASTOOL_GUARDED_BY(mutex_);
  std::map<std::string, std::chrono::steady_clock::time_point> tokens_ CASTOOL_GUARDED_BY(mutex_);
  std::uint64_t issued_ CASTOOL_GUARDED_BY(mutex_) = 0;
};

}  // namespace castool::hub
