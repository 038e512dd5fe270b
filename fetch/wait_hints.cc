#include "fetch/wait_hints.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace castool::fetch {
namespace {

// Longer than anybody waits; keeps the arithmetic far from its limits.
constexpr std::uint64_t kLongest = 1'000'000'000;

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Decimal digits and nothing else; too large saturates.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = std::min(value * 10 + static_cast<std::uint64_t>(c - '0'), kLongest);
  }
  return value;
}

std::chrono::seconds seconds_of(std::uint64_t count) {
  return std::chrono::seconds(static_cast<std::int64_t>(count));
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the only form that RFC 9110 lets a sender write.
std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' ||
      text[16] != ' ' || text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  const auto day = parse_number(text.substr(5, 2));
  const auto year = parse_number(text.substr(12, 4));
  const auto hour = parse_number(text.substr(17, 2));
  const auto minute = parse_number(text.substr(20, 2));
  const auto second = parse_number(text.substr(23, 2));
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second || *hour > 23 ||
      *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{
      std::chrono::year(static_cast<int>(*year)),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         seconds_of(*second);
}

// One `"name";r=0;t=55`.
std::optional<RateLimit> parse_bucket(std::string_view text) {
  std::optional<std::uint64_t> remaining;
  std::optional<std::uint64_t> reset;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view parameter = trimmed(text.substr(0, end));
    if (parameter.starts_with("r=")) remaining = parse_number(parameter.substr(2));
    if (parameter.starts_with("t=")) reset = parse_number(parameter.substr(2));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!remaining || !reset) return std::nullopt;
  return RateLimit{*remaining, seconds_of(*reset)};
}

}  // namespace

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      base::Clock::Wall now) {
  value = trimmed(value);
  if (const auto seconds = parse_number(value)) return seconds_of(*seconds);
  const auto date = parse_http_date(value);
  if (!date) return std::nullopt;
  // In seconds: a date of the year 9999 is past what 64 bits of nanoseconds hold.
  const auto wait = *date - std::chrono::floor<std::chrono::seconds>(now);
  return std::max(wait, std::chrono::seconds(0));
}

std::optional<RateLimit> parse_rate_limit(std::string_view value) {
  std::optional<RateLimit> first;
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(','), value.size());
    if (const auto bucket = parse_bucket(value.substr(0, end))) {
      if (bucket->remaining == 0) return bucket;
      if (!first) first = bucket;
    }
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return first;
}

std::optional<std::chrono::seconds> wait_hint(const Headers& headers, base::Clock::Wall now) {
  if (const auto text = headers.get("RateLimit")) {
    const auto limit = parse_rate_limit(*text);
    if (limit && limit->remaining == 0) return limit->reset + std::chrono::seconds(1);
  }
  if (const auto text = headers.get("Retry-After")) return parse_retry_after(*text, now);
  return std::nullopt;
}

}  // namespace castool::fetch
