#include "manifest/file_header.h"

#include <algorithm>
#include <array>
#include <optional>

namespace castool::manifest {
namespace {

constexpr std::array<std::byte, 4> kGgufMagic = {std::byte{'G'}, std::byte{'G'}, std::byte{'U'},
                                                 std::byte{'F'}};
constexpr int kMostNesting = 4;
constexpr std::uint64_t kMostDimensions = 8;

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
  if (text.size() < end.size()) return false;
  return std::equal(end.begin(), end.end(), text.end() - static_cast<std::ptrdiff_t>(end.size()),
                    [](char wanted, char c) {
                      return wanted == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
                    });
}

// Walks over the front of a file. What would lie behind it is remembered as what is needed.
class Walk {
 public:
  explicit Walk(std::span<const std::byte> front) : front_(front) {}

  [[nodiscard]] std::uint64_t position() const { return position_; }
  // More than the front: the walk came to its end.
  [[nodiscard]] bool ran_out() const { return position_ > front_.size(); }

  bool skip(std::uint64_t bytes) {
    // Far beyond every limit counts as just beyond, so that nothing overflows.
    position_ += std::min(bytes, 2 * kMaxFileHeader);
    return !ran_out();
  }
  template <class Number>
  std::optional<Number> number() {
    const std::uint64_t from = position_;
    if (!skip(sizeof(Number))) return std::nullopt;
    Number value = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;) {
      value = static_cast<Number>((value << 8) | std::to_integer<Number>(front_[from + i]));
    }
    return value;
  }
  bool skip_string() {
    const auto length = number<std::uint64_t>();
    return length && skip(*length);
  }

 private:
  const std::span<const std::byte> front_;
  std::uint64_t position_ = 0;
};

// Bytes of a scalar; 0 for what is none.
std::uint64_t scalar_size(std::uint32_t type) {
  switch (type) {
    case 0:  // u8
    case 1:  // i8
    case 7:  // bool
      return 1;
    case 2:
    case 3: return 2;
    case 4:
    case 5:
    case 6: return 4;
    case 10:
    case 11:
    case 12: return 8;
    default: return 0;
  }
}

constexpr std::uint32_t kStringType = 8;
constexpr std::uint32_t kArrayType = 9;

bool skip_value(Walk& walk, std::uint32_t type, int depth);

bool skip_array(Walk& walk, int depth) {
  const auto type = walk.number<std::uint32_t>();
  const auto count = walk.number<std::uint64_t>();
  if (!type || !count || depth == kMostNesting) return false;
  if (const std::uint64_t size = scalar_size(*type); size != 0) {
    return walk.skip(*count > kMaxFileHeader ? 2 * kMaxFileHeader : *count * size);
  }
  for (std::uint64_t i = 0; i < *count; ++i) {
    if (!skip_value(walk, *type, depth + 1)) return false;
  }
  return true;
}

bool skip_value(Walk& walk, std::uint32_t type, int depth) {
  if (type == kStringType) return walk.skip_string();
  if (type == kArrayType) return skip_array(walk, depth);
  const std::uint64_t size = scalar_size(type);
  return size != 0 && walk.skip(size);
}

bool skip_pair(Walk& walk) {
  if (!walk.skip_string()) return false;
  const auto type = walk.number<std::uint32_t>();
  return type && skip_value(walk, *type, 0);
}

bool skip_tensor(Walk& walk) {
  if (!walk.skip_string()) return false;
  const auto dimensions = walk.number<std::uint32_t>();
  return dimensions && *dimensions <= kMostDimensions && walk.skip(8ULL * *dimensions + 4 + 8);
}

void walk_gguf(Walk& walk, std::span<const std::byte> front) {
  if (!walk.skip(kGgufMagic.size())) return;
  if (!std::equal(kGgufMagic.begin(), kGgufMagic.end(), front.begin())) return;
  const auto version = walk.number<std::uint32_t>();
  if (!version || (*version != 2 && *version != 3)) return;
  const auto tensors = walk.number<std::uint64_t>();
  const auto pairs = walk.number<std::uint64_t>();
  if (!tensors || !pairs) return;
  for (std::uint64_t i = 0; i < *pairs; ++i) {
    if (!skip_pair(walk)) return;
  }
  for (std::uint64_t i = 0; i < *tensors; ++i) {
    if (!skip_tensor(walk)) return;
  }
}

}  // namespace

FileFormat format_of_path(std::string_view path) {
  if (ends_with_ignoring_case(path, ".gguf")) return FileFormat::kGguf;
  if (ends_with_ignoring_case(path, ".safetensors")) return FileFormat::kSafetensors;
  return FileFormat::kOther;
}

HeaderExtent header_extent(FileFormat format, std::span<const std::byte> front,
                           std::uint64_t size) {
  using Known = HeaderExtent::Known;
  const std::uint64_t most = std::min(size, kMaxFileHeader);
  front = front.first(std::min<std::size_t>(front.size(), most));
  Walk walk(front);
  switch (format) {
    case FileFormat::kOther: break;
    case FileFormat::kGguf: walk_gguf(walk, front); break;
    case FileFormat::kSafetensors: walk.skip_string(); break;
  }
  const bool more = walk.ran_out() && front.size() < most;
  return {more ? Known::kAtLeast : Known::kExactly, std::min(walk.position(), most)};
}

}  // namespace castool::manifest
