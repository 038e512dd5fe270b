#include "manifest/printable.h"

#include <cstdint>
#include <iterator>

#include <fmt/format.h>

#include "manifest/utf8.h"

namespace castool::manifest {

std::string printable(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  std::string_view rest = text;
  while (!rest.empty() && text.size() - rest.size() < limit) {
    const CodePoint point = first_code_point(rest);
    const std::size_t size = point.size == 0 ? 1 : point.size;
    const bool escape =
        point.size == 0 || is_control(point.value) || rest.front() == '"' || rest.front() == '\\';
    for (const char c : rest.substr(0, size)) {
      if (escape) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<std::uint8_t>(c));
      } else {
        out.push_back(c);
      }
    }
    rest.remove_prefix(size);
  }
  out += rest.empty() ? "\"" : "...\"";
  return out;
}

}  // namespace castool::manifest
