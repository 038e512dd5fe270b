// Whether and how to follow a redirect. Pure: a response in, the next request's address out.
//
// Rows 30-32 of the fault catalogue: at most 10 hops, a Location that is there and parses, never
// from https to http, no other scheme, no user names, and from a public origin to public hosts
// only. Credentials are the caller's: they go with a request only while its origin is theirs.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "fetch/http.h"
#include "fetch/url.h"

namespace castool::fetch {

inline constexpr int kMaxHops = 10;

// A redirect target that passed: use it with this reach, without credentials of another origin.
struct Hop {
  std::string url;
  Reach reach = Reach::kAnywhere;
};

// 301, 302, 303, 307 and 308. A 200 with a Location is not a redirect.
[[nodiscard]] bool is_redirect(int status);

// Where `head`, the answer to `from`, leads, when `hops` redirects were followed before it.
// Refusals are kUnavailable; their message says which rule, their URL is redacted.
[[nodiscard]] base::Result<Hop> next_hop(const Hop& from, const ResponseHead& head, int hops);

// The headers of `headers` that may go to another origin than the one they were made for.
[[nodiscard]] Headers without_credentials(const Headers& headers);

}  // namespace castool::fetch
