// Sizes, rates, durations and times as people write and read them.
//
// Sizes and rates count in powers of 1024 ("500M", "2G", "1.1 GiB"), rates are per second. Pure
// functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::tools {

// number [K|M|G|T|P ["iB" | "B"]], case does not matter, fractions are allowed: "500M", "1.5g",
// "2GiB", "4096". kUsage for anything else and for what does not fit 64 bits.
[[nodiscard]] base::Result<std::uint64_t> parse_size(std::string_view text);
// A size with an optional "/s" after it; zero is refused, since it would never end.
[[nodiscard]] base::Result<std::uint64_t> parse_rate(std::string_view text);
// number ["ms" | "s" | "m" | "h"], seconds without a unit: "30s", "5m", "1.5h". Above zero and at
// most a year.
[[nodiscard]] base::Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

// "0 B", "999 B", "1.0 KiB", "1.1 GiB".
[[nodiscard]] std::string human_size(std::uint64_t bytes);
// human_size and "/s".
[[nodiscard]] std::string human_rate(double bytes_per_second);
// How long something took or will take: "0.4 s", "12 s", "3m05s", "2h10m", "4d03h".
[[nodiscard]] std::string human_duration(double seconds);
// How long ago: "now", "5 minutes ago", "2 days ago".
[[nodiscard]] std::string human_age(std::int64_t seconds);
// RFC 3339 in UTC: "2026-11-21T03:18:20Z".
[[nodiscard]] std::string utc_time(std::int64_t seconds_since_epoch);

}  // namespace castool::tools
