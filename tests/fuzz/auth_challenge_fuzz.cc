#include <algorithm>
#include <string>
#include <vector>

#include "fetch/url.h"
#include "pull/auth_challenge.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace fetch = castool::fetch;
namespace pull = castool::pull;

namespace {

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string print(const pull::BearerChallenge& challenge) {
  std::string scope;
  for (const auto& one : challenge.scopes) scope += (scope.empty() ? "" : " ") + one;
  return "Bearer realm=" + quoted(challenge.realm) + ",service=" + quoted(challenge.service) +
         ",scope=" + quoted(scope);
}

void check(const pull::BearerChallenge& challenge) {
  require(!challenge.realm.empty() && is_plain(challenge.realm), "a realm without controls");
  require(is_plain(challenge.service), "a service without controls");
  for (const auto& scope : challenge.scopes) {
    require(!scope.empty() && is_plain(scope), "a scope without controls");
    require(scope.find(' ') == std::string::npos, "scopes are split");
  }
  const std::vector<std::string> printed{print(challenge)};
  require(pull::parse_bearer_challenge(printed) == challenge, "a challenge survives printing");
}

// Our signature for this registry goes to nobody but it and the issuer known for it.
void check_realm_of(std::string_view realm) {
  if (!pull::check_realm(realm, "https://registry.ollama.ai")) return;
  const auto origin = fetch::origin_of(realm);
  require(origin && origin->scheme == "https" && origin->port == 443, "never by another door");
  require(origin->host == "registry.ollama.ai" || origin->host == "ollama.com",
          "never to another host");
}

}  // namespace

// One header value a line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> values(1);
  for (const char c : castool::fuzz::text_of(data, size)) {
    if (c == '\n') {
      values.emplace_back();
    } else {
      values.back() += c;
    }
  }
  const auto challenge = pull::parse_bearer_challenge(values);
  if (challenge) {
    check(*challenge);
    check_realm_of(challenge->realm);
  }
  check_realm_of(values.front());
  return 0;
}
