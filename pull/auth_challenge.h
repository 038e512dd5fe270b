// A registry's demand for a token, and who may be asked for one. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace castool::pull {

struct BearerChallenge {
  std::string realm;
  std::string service;
  std::vector<std::string> scopes;  // split at spaces

  friend bool operator==(const BearerChallenge&, const BearerChallenge&) = default;
};

// The Bearer challenge among the values of WWW-Authenticate (RFC 9110 §11.6.1: several challenges
// may share a value, parameters are tokens or quoted strings). nullopt when there is none with a
// realm, or when a value holds control characters.
[[nodiscard]] std::optional<BearerChallenge> parse_bearer_challenge(
    std::span<const std::string> values);

// Whether `realm` may see our signature for `registry` ("scheme://host[:port]"): the registry's own
// host, or the host known to issue its tokens; always with the registry's scheme. kUnauthorized
// else.
[[nodiscard]] base::Status check_realm(std::string_view realm, std::string_view registry);

}  // namespace castool::pull
