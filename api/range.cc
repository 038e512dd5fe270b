#include "api/range.h"

#include <algorithm>
#include <charconv>

namespace castool::api {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

RangeAnswer answer_range(std::optional<std::string_view> header, std::uint64_t size) {
  using Kind = RangeAnswer::Kind;
  constexpr std::string_view kUnit = "bytes=";
  const RangeAnswer whole = {Kind::kWhole, 0, size};
  if (!header || !header->starts_with(kUnit)) return whole;
  const std::string_view range = header->substr(kUnit.size());
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos || range.find(',') != std::string_view::npos) return whole;
  const auto first = number(range.substr(0, dash));
  const auto last = number(range.substr(dash + 1));
  const bool open = dash + 1 == range.size();
  if (dash == 0) {  // the last bytes
    if (!last) return whole;
    if (*last == 0 || size == 0) return {Kind::kUnsatisfiable};
    const std::uint64_t length = std::min(*last, size);
    return {Kind::kPart, size - length, length};
  }
  if (!first || (!open && !last) || (last && *last < *first)) return whole;
  if (*first >= size) return {Kind::kUnsatisfiable};
  const std::uint64_t end = open ? size - 1 : std::min(*last, size - 1);
  return {Kind::kPart, *first, end - *first + 1};
}

}  // namespace castool::api
