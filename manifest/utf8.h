// UTF-8, strictly: no overlong forms, no surrogates, nothing past U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace castool::manifest {

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 0;  // bytes it took; 0 when `text` does not begin with a well-formed sequence
};
// The code point that a non-empty `text` begins with.
[[nodiscard]] CodePoint first_code_point(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);
// C0, DEL and C1: what a terminal could take for a command.
[[nodiscard]] constexpr bool is_control(char32_t value) {
  return value < 0x20 || (value >= 0x7f && value < 0xa0);
}

}  // namespace castool::manifest
