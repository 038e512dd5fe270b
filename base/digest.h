// The two names that content has here, each parsed once into bytes.
//
// A path, a URL or a record is only ever built from the bytes of a parsed value, so no spelling of
// a digest can carry "../", NUL or upper case into a file name.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::base {

// `bytes` as lower-case hex.
[[nodiscard]] std::string to_hex(const std::uint8_t* bytes, std::size_t size);

// SHA-256 of a blob: what a blob is.
class Digest {
 public:
  static constexpr std::size_t kSize = 32;
  using Bytes = std::array<std::uint8_t, kSize>;

  Digest() = default;  // all zero; no content has it
  explicit Digest(const Bytes& bytes) : bytes_(bytes) {}

  // Exactly "sha256:" and 64 lower-case hex digits; kBadManifest otherwise.
  [[nodiscard]] static Result<Digest> parse(std::string_view text);
  // Exactly 64 lower-case hex digits; kBadManifest otherwise.
  [[nodiscard]] static Result<Digest> parse_hex(std::string_view hex);

  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] std::string hex() const { return to_hex(bytes_.data(), kSize); }
  [[nodiscard]] std::string text() const { return "sha256:" + hex(); }

  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  Bytes bytes_{};
};

// SHA-1 of a git blob object ("blob <length>\0" and the bytes): what the Hub gives for regular
// files.
class GitOid {
 public:
  static constexpr std::size_t kSize = 20;
  using Bytes = std::array<std::uint8_t, kSize>;

  GitOid() = default;
  explicit GitOid(const Bytes& bytes) : bytes_(bytes) {}

  // Exactly 40 lower-case hex digits; kBadManifest otherwise.
  [[nodiscard]] static Result<GitOid> parse_hex(std::string_view hex);

  [[nodiscard]] std::string hex() const { return to_hex(bytes_.data(), kSize); }

  friend auto operator<=>(const GitOid&, const GitOid&) = default;

 private:
  Bytes bytes_{};
};

}  // namespace castool::base

template <>
struct std::hash<castool::base::Digest> {
  // A digest's own bytes are as good a hash as any.
  std::size_t operator()(const castool::base::Digest& digest) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | digest.bytes()[i];
    return value;
  }
};
