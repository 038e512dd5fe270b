// Until when a signed address is good, as its own query says. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace castool::pull {

// From "Expires=<unix seconds>" (CloudFront) or "X-Amz-Date=<yyyymmddThhmmssZ>" with
// "X-Amz-Expires=<seconds>" (S3); names compare without case. nullopt when it says nothing usable.
[[nodiscard]] std::optional<base::Clock::Wall> signed_until(std::string_view url);

// The same on our monotonic clock, a margin earlier. nullopt also for an address that seems to have
// expired on arrival: then it is one of the clocks that is wrong, and a refusal will tell.
[[nodiscard]] std::optional<base::Clock::Monotonic> address_expiry(std::string_view url,
                                                                   const base::Clock& clock);

}  // namespace castool::pull
