// Reading the parts of a GGUF, one after the other; for the files that read its metadata. Grammar:
// file_header.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace castool::manifest {

inline constexpr std::uint32_t kGgufString = 8;
inline constexpr std::uint32_t kGgufArray = 9;
inline constexpr int kMostGgufNesting = 4;

// Reads forward; once something was missing, everything is.
class GgufCursor {
 public:
  explicit GgufCursor(std::span<const std::byte> bytes) : left_(bytes) {}

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t left() const { return left_.size(); }

  std::span<const std::byte> take(std::uint64_t size) {
    if (failed_ || size > left_.size()) {
      failed_ = true;
      return {};
    }
    const auto taken = left_.first(static_cast<std::size_t>(size));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    const auto bytes = take(size);
    for (std::size_t i = bytes.size(); i-- > 0;)
      value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    return value;
  }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  std::string_view text() {
    const auto bytes = take(u64());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> left_;
  bool failed_ = false;
};

// Bytes of a scalar; 0 for what is none.
[[nodiscard]] constexpr std::size_t gguf_scalar_size(std::uint32_t type) {
  constexpr std::array<std::size_t, 13> kSizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < kSizes.size() ? kSizes[type] : 0;
}
[[nodiscard]] constexpr bool is_gguf_signed(std::uint32_t type) {
  return type == 1 || type == 3 || type == 5 || type == 11;
}
[[nodiscard]] constexpr bool is_gguf_integer(std::uint32_t type) {
  return type <= 5 || type == 10 || type == 11;
}

// False when it is damaged.
[[nodiscard]] bool skip_gguf_value(GgufCursor& cursor, std::uint32_t type, int depth = 0);

}  // namespace castool::manifest
