#include "base/digest.h"

namespace castool::base {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

template <class Bytes>
bool from_hex(std::string_view hex, Bytes& out) {
  if (hex.size() != out.size() * 2) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto high = kHex.find(hex[2 * i]);
    const auto low = kHex.find(hex[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

}  // namespace

std::string to_hex(const std::uint8_t* bytes, std::size_t size) {
  std::string text;
  text.reserve(size * 2);
  for (std::size_t i = 0; i < size; ++i) {
    text.push_back(kHex[bytes[i] >> 4]);
    text.push_back(kHex[bytes[i] & 0xf]);
  }
  return text;
}

Result<Digest> Digest::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!text.starts_with(kPrefix)) {
    return make_error(Code::kBadManifest, "bad digest: not sha256: and 64 lower-case hex digits");
  }
  return parse_hex(text.substr(kPrefix.size()));
}

Result<Digest> Digest::parse_hex(std::string_view hex) {
  Bytes bytes;
  if (!from_hex(hex, bytes)) {
    return make_error(Code::kBadManifest, "bad digest: not 64 lower-case hex digits");
  }
  return Digest(bytes);
}

Result<GitOid> GitOid::parse_hex(std::string_view hex) {
  Bytes bytes;
  if (!from_hex(hex, bytes)) {
    return make_error(Code::kBadManifest, "bad git object id: not 40 lower-case hex digits");
  }
  return GitOid(bytes);
}

}  // namespace castool::base
