// How long an origin asks us to wait, as its headers say it. Pure functions over untrusted text.
//
//   Retry-After: 120 | Fri, 31 Dec 1999 23:59:59 GMT          (RFC 9110 §10.2.3)
//   RateLimit: "api";r=0;t=55                                 (the Hub; t: seconds to the next
//   window)
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "fetch/http.h"

namespace castool::fetch {

// nullopt for what is neither form. A date in the past is zero.
[[nodiscard]] std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                                    base::Clock::Wall now);

struct RateLimit {
  std::uint64_t remaining = 0;
  std::chrono::seconds reset{};
};
// The first bucket with nothing left, else the first one; nullopt when r or t is missing.
[[nodiscard]] std::optional<RateLimit> parse_rate_limit(std::string_view value);

// What the head asks for: t + 1 s of an exhausted RateLimit, else Retry-After, else nothing.
[[nodiscard]] std::optional<std::chrono::seconds> wait_hint(const Headers& headers,
                                                            base::Clock::Wall now);

}  // namespace castool::fetch
