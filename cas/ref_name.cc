#include "cas/ref_name.h"

#include <algorithm>

namespace castool::cas {
namespace {

constexpr std::size_t kMaxFileName = 255;
constexpr std::string_view kHex = "0123456789ABCDEF";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

base::Result<std::string> encode_ref_name(std::string_view name) {
  if (name.empty()) return base::make_error(base::Code::kUsage, "a name may not be empty");
  std::string file;
  for (const char c : name) {
    if (c == '\0') return base::make_error(base::Code::kUsage, "a name may not hold a NUL");
    if (c == '/' || c == '%' || (c == '.' && file.empty())) {
      const auto byte = static_cast<unsigned char>(c);
      file += '%';
      file += kHex[byte >> 4];
      file += kHex[byte & 0xf];
    } else {
      file += c;
    }
  }
  if (file.size() > kMaxFileName) {
    return base::make_error(base::Code::kUsage, "the name is too long: " + std::string(name));
  }
  return file;
}

std::optional<std::string> decode_ref_name(std::string_view file) {
  std::string name;
  for (std::size_t i = 0; i < file.size(); ++i) {
    if (file[i] != '%') {
      name += file[i];
      continue;
    }
    if (i + 2 >= file.size()) return std::nullopt;
    const auto high = kHex.find(file[i + 1]);
    const auto low = kHex.find(file[i + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    name += static_cast<char>(high << 4 | low);
    i += 2;
  }
  // One file name for each name: anything that would be written otherwise was not written by us.
  const auto again = encode_ref_name(name);
  if (!again || *again != file) return std::nullopt;
  return name;
}

bool is_namespace(std::string_view name) {
  if (name.empty() || name.size() > kMaxFileName || !is_word(name.front())) return false;
  return std::ranges::all_of(name, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

}  // namespace castool::cas
