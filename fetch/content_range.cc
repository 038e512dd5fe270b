#include "fetch/content_range.h"

#include <charconv>
#include <limits>

namespace castool::fetch {
namespace {

// Takes decimal digits off the front; from_chars alone refuses signs, spaces and overflow.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view value) {
  if (!take(value, "bytes ")) return std::nullopt;
  const auto first = take_number(value);
  if (!first || !take(value, "-")) return std::nullopt;
  const auto last = take_number(value);
  if (!last || *last < *first || *last == std::numeric_limits<std::uint64_t>::max()) {
    return std::nullopt;
  }
  if (!take(value, "/")) return std::nullopt;
  ContentRange parsed{{*first, *last - *first + 1}, std::nullopt};
  if (value == "*") return parsed;
  parsed.total = take_number(value);
  if (!parsed.total || !value.empty() || *last >= *parsed.total) return std::nullopt;
  return parsed;
}

}  // namespace castool::fetch
