// URLs as text: whose they are, where a Location leads, what of them may be said aloud.
//
// Parsing is libcurl's, which also sends the request, so that a URL cannot mean one host to a check
// and another one to the connection.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::fetch {

// scheme://host:port of a URL, the unit that a credential belongs to. Lower case; the port is
// always there; an IPv4 host in any spelling is four decimal numbers, an IPv6 host has no brackets.
struct Origin {
  std::string scheme, host;
  int port = 0;
  friend bool operator==(const Origin&, const Origin&) = default;
};
// kUsage for what is not an absolute http or https URL, or carries a user name or control
// characters.
[[nodiscard]] base::Result<Origin> origin_of(std::string_view url);

// `base` and a Location value joined as RFC 3986 §5 says, without a fragment.
[[nodiscard]] base::Result<std::string> join_url(std::string_view base, std::string_view location);

// A URL without userinfo, query and fragment: what may appear in messages.
[[nodiscard]] std::string redacted(std::string_view url);

// Percent-encodes everything but unreserved characters and those in `keep`.
[[nodiscard]] std::string percent_encode(std::string_view text, std::string_view keep = "");

}  // namespace castool::fetch
