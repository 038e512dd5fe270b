#include "pull/address_expiry.h"

#include <charconv>
#include <cstdint>

namespace castool::pull {
namespace {

using std::chrono::seconds;

constexpr seconds kMargin{30};
// A year: more is no lifetime of a signature but an attempt to overflow somebody's arithmetic.
constexpr std::int64_t kLongestLife = 366LL * 24 * 3600;
// In the year 2255. The system clock counts nanoseconds and ends in 2262.
constexpr std::int64_t kLatest = 9'000'000'000;

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::optional<std::string_view> query_value(std::string_view url, std::string_view name) {
  std::size_t begin = url.find('?');
  if (begin == std::string_view::npos) return std::nullopt;
  std::string_view query = url.substr(begin + 1);
  query = query.substr(0, query.find('#'));
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && same_name(pair.substr(0, equals), name)) {
      return pair.substr(equals + 1);
    }
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
  }
  return std::nullopt;
}

std::optional<std::int64_t> number(std::string_view text, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < 0 || value > most) return std::nullopt;
  return value;
}

// "20260923T101500Z", as seconds since the epoch.
std::optional<std::int64_t> amz_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto part = [&](std::size_t at, std::size_t size) {
    return number(text.substr(at, size), 9999);
  };
  const auto year = part(0, 4), month = part(4, 2), day = part(6, 2);
  const auto hour = part(9, 2), minute = part(11, 2), second = part(13, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  return seconds(days).count() + *hour * 3600 + *minute * 60 + *second;
}

}  // namespace

std::optional<base::Clock::Wall> signed_until(std::string_view url) {
  if (const auto expires = query_value(url, "Expires")) {
    if (const auto at = number(*expires, kLatest)) return base::Clock::Wall(seconds(*at));
  }
  const auto date = query_value(url, "X-Amz-Date");
  const auto life = query_value(url, "X-Amz-Expires");
  if (!date || !life) return std::nullopt;
  const auto from = amz_date(*date);
  const auto lasts = number(*life, kLongestLife);
  if (!from || !lasts || *from < 0 || *from + *lasts > kLatest) return std::nullopt;
  return base::Clock::Wall(seconds(*from + *lasts));
}

std::optional<base::Clock::Monotonic> address_expiry(std::string_view url,
                                                     const base::Clock& clock) {
  const auto until = signed_until(url);
  if (!until) return std::nullopt;
  const base::Clock::Duration left = *until - clock.wall_now();
  if (left <= seconds(0) || left > seconds(kLongestLife)) return std::nullopt;
  // A short life must not be eaten by the margin whole.
  const base::Clock::Duration margin = std::min<base::Clock::Duration>(kMargin, left / 4);
  return clock.now() + (left - margin);
}

}  // namespace castool::pull
