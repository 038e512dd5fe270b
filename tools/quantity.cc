#include "tools/quantity.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;

struct Number {
  double value = 0;
  std::string unit;  // what follows, in lower case
};

// Digits with at most one point, then letters. from_chars alone would also take "inf" and "1e9".
std::optional<Number> split_number(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  Number number;
  const char* end = text.data() + digits;
  const auto [stop, failure] =
      std::from_chars(text.data(), end, number.value, std::chars_format::fixed);
  if (digits == 0 || failure != std::errc{} || stop != end) return std::nullopt;
  for (const char c : text.substr(digits)) {
    number.unit += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return number;
}

std::optional<double> size_factor(std::string_view unit) {
  if (unit.empty() || unit == "b") return 1.0;
  constexpr std::string_view kPrefixes = "kmgtp";
  const std::size_t power = kPrefixes.find(unit.front());
  const std::string_view rest = unit.substr(1);
  if (power == std::string_view::npos || !(rest.empty() || rest == "b" || rest == "ib")) {
    return std::nullopt;
  }
  return std::exp2(10.0 * static_cast<double>(power + 1));
}

std::optional<double> seconds_factor(std::string_view unit) {
  if (unit == "ms") return 1e-3;
  if (unit.empty() || unit == "s") return 1.0;
  if (unit == "m") return 60.0;
  if (unit == "h") return 3600.0;
  return std::nullopt;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto number = split_number(text);
  const auto factor = number ? size_factor(number->unit) : std::nullopt;
  constexpr double kLimit = 9.2e18;  // below 2^63, so that the conversion back is exact enough
  if (!factor || number->value * *factor > kLimit) {
    return make_error(Code::kUsage, fmt::format("\"{}\" is not a size", text),
                      "write a number with K, M, G, T or P, such as 500M or 2G");
  }
  return static_cast<std::uint64_t>(number->value * *factor);
}

Result<std::uint64_t> parse_rate(std::string_view text) {
  std::string_view size = text;
  if (size.ends_with("/s")) size.remove_suffix(2);
  const auto rate = parse_size(size);
  if (!rate || *rate == 0) {
    return make_error(Code::kUsage, fmt::format("\"{}\" is not a rate", text),
                      "write bytes per second, such as 500K or 20M");
  }
  return *rate;
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const auto number = split_number(text);
  const auto factor = number ? seconds_factor(number->unit) : std::nullopt;
  constexpr double kYear = 366.0 * 24 * 3600;
  const double seconds = factor ? number->value * *factor : 0;
  if (seconds <= 0 || seconds > kYear) {
    return make_error(Code::kUsage, fmt::format("\"{}\" is not a duration", text),
                      "write a number with ms, s, m or h, such as 30s or 5m");
  }
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(seconds));
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 would print as "1024.0 KiB".
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_rate(double bytes_per_second) {
  return human_size(static_cast<std::uint64_t>(std::max(bytes_per_second, 0.0))) + "/s";
}

std::string human_duration(double seconds) {
  if (!(seconds > 0)) return "0.0 s";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::min(seconds + 0.5, 1e12));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole % 86400 / 3600);
}

std::string human_age(std::int64_t seconds) {
  struct Unit {
    std::int64_t seconds;
    const char* name;
  };
  constexpr std::array<Unit, 6> kUnits = {{{365 * 86400, "year"},
                                           {30 * 86400, "month"},
                                           {7 * 86400, "week"},
                                           {86400, "day"},
                                           {3600, "hour"},
                                           {60, "minute"}}};
  for (const Unit& unit : kUnits) {
    // From two of a unit on, so that "13 days ago" is not cut down to "1 week ago".
    const bool smallest = unit.seconds == 60;
    if (seconds < (smallest ? 1 : 2) * unit.seconds) continue;
    const std::int64_t count = seconds / unit.seconds;
    return fmt::format("{} {}{} ago", count, unit.name, count == 1 ? "" : "s");
  }
  return seconds < 5 ? "now" : fmt::format("{} seconds ago", seconds);
}

std::string utc_time(std::int64_t seconds_since_epoch) {
  const auto when = static_cast<std::time_t>(seconds_since_epoch);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(when));
}

}  // namespace castool::tools
