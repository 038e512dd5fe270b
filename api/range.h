// Which bytes a Range header asks for (RFC 9110, 14.2). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace castool::api {

struct RangeAnswer {
  enum class Kind { kWhole, kPart, kUnsatisfiable };
  Kind kind = Kind::kWhole;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// One range of bytes; no header, another unit, several ranges or nonsense mean the whole, as the
// standard allows.
[[nodiscard]] RangeAnswer answer_range(std::optional<std::string_view> header, std::uint64_t size);

}  // namespace castool::api
