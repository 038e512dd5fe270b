// A run of bytes: [offset, offset + length).
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

namespace castool::base {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  [[nodiscard]] std::uint64_t end() const { return offset + length; }
  [[nodiscard]] bool empty() const { return length == 0; }
  [[nodiscard]] bool contains(const ByteRange& other) const {
    return other.offset >= offset && other.end() <= end();
  }
  [[nodiscard]] ByteRange intersect(const ByteRange& other) const {
    const std::uint64_t begin = std::max(offset, other.offset);
    const std::uint64_t finish = std::min(end(), other.end());
    return finish > begin ? ByteRange{begin, finish - begin} : ByteRange{begin, 0};
  }

  friend auto operator<=>(const ByteRange&, const ByteRange&) = default;
};

}  // namespace castool::base
