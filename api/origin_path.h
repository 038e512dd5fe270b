// Taking paths of an origin apart. Pure.
#pragma once

#include <string_view>

namespace castool::api {

[[nodiscard]] inline bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "left<mark>right"; false when the mark is not there or one side is empty.
[[nodiscard]] inline bool split_at(std::string_view text, std::string_view mark,
                                   std::string_view& left, std::string_view& right) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos || at == 0) return false;
  left = text.substr(0, at);
  right = text.substr(at + mark.size());
  return !right.empty();
}

}  // namespace castool::api
