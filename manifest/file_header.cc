#include "manifest/file_header.h"

#include <algorithm>
#include <array>
#include <optional>

#include "manifest/gguf_cursor.h"

namespace castool::manifest {
namespace {

constexpr std::array<std::byte, 4> kGgufMagic = {std::byte{'G'}, std::byte{'G'}, std::byte{'U'},
                                                 std::byte{'F'}};
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

bool skip_value(Walk& walk, std::uint32_t type, int depth);

bool skip_array(Walk& walk, int depth) {
  const auto type = walk.number<std::uint32_t>();
  const auto count = walk.number<std::uint64_t>();
  if (!type || !count || depth == kMostGgufNesting) return false;
  if (const std::uint64_t size = gguf_scalar_size(*type); size != 0) {
    return walk.skip(*count > kMaxFileHeader ? 2 * kMaxFileHeader : *count * size);
  }
  for (std::uint64_t i = 0; i < *count; ++i) {
    if (!skip_value(walk, *type, depth + 1)) return false;
  }
  return true;
}

bool skip_value(Walk& walk, std::uint32_t type, int depth) {
  if (type == kGgufString) return walk.skip_string();
  if (type == kGgufArray) return skip_array(walk, depth);
  const std::uint64_t size = gguf_scalar_size(type);
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

base::Result<std::vector<std::byte>> read_header(FileFormat format, std::uint64_t size,
                                                 const ReadFront& read) {
  // Vocabularies tell their length string by string: nearly all headers without one are shorter.
  constexpr std::uint64_t kFirstLook = 1u << 20;
  std::vector<std::byte> front;
  for (std::uint64_t wanted = kFirstLook;;) {
    front.resize(static_cast<std::size_t>(std::min(wanted, size)));
    CASTOOL_ASSIGN(const std::size_t got, read(front));
    if (got != front.size())
      return base::make_error(base::Code::kIo, "a model's file is shorter than it was");
    const HeaderExtent extent = header_extent(format, front, size);
    if (extent.known == HeaderExtent::Known::kExactly) return front;
    wanted = std::max(extent.bytes, 2 * wanted);
  }
}

}  // namespace castool::manifest
