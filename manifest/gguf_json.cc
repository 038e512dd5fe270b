#include "manifest/gguf_json.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "manifest/gguf.h"
#include "manifest/gguf_cursor.h"
#include "manifest/json_value.h"
#include "manifest/utf8.h"

namespace castool::manifest {
namespace {

using base::Result;

constexpr std::uint64_t kShortArray = 5;
constexpr std::uint32_t kFloat = 6, kBool = 7, kDouble = 12;

// As short as it can be told from its neighbours; a whole one has no point.
template <class Float>
std::string float_text(Float value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

std::string scalar_text(GgufCursor& cursor, std::uint32_t type) {
  const std::size_t size = gguf_scalar_size(type);
  const std::uint64_t bits = cursor.number(size);
  if (type == kBool) return bits != 0 ? "true" : "false";
  if (type == kFloat) return float_text(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  if (type == kDouble) return float_text(std::bit_cast<double>(bits));
  if (!is_gguf_signed(type)) return fmt::format("{}", bits);
  // The sign is that of its own width.
  const std::size_t unused = 64 - 8 * size;
  return fmt::format("{}", static_cast<std::int64_t>(bits << unused) >> unused);
}

// Empty when it is damaged. What is not shown of it is skipped.
std::string value_text(GgufCursor& cursor, std::uint32_t type, GgufArrays arrays, int depth) {
  if (type == kGgufString) return json_quote(cursor.text());
  if (type != kGgufArray) {
    return gguf_scalar_size(type) == 0 ? std::string() : scalar_text(cursor, type);
  }
  GgufCursor ahead = cursor;
  const std::uint32_t element = ahead.u32();
  const std::uint64_t count = ahead.u64();
  if (!skip_gguf_value(cursor, type, depth)) return {};
  if (arrays == GgufArrays::kShort && count > kShortArray) return "[]";
  std::string text = "[";
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i > 0) text += ',';
    text += value_text(ahead, element, arrays, depth + 1);
  }
  return text + ']';
}

}  // namespace

Result<std::string> gguf_json(std::span<const std::byte> front, GgufArrays arrays) {
  // What it accepts is whole, so that nothing below fails.
  CASTOOL_ASSIGN(const GgufMetadata metadata, read_gguf(front));
  GgufCursor cursor(front);
  static_cast<void>(cursor.take(4 + 4 + 8));
  const std::uint64_t pairs = cursor.u64();
  std::map<std::string, std::string, std::less<>> values;
  for (std::uint64_t i = 0; i < pairs && !cursor.failed(); ++i) {
    const std::string_view key = cursor.text();
    const std::uint32_t type = cursor.u32();
    std::string value = value_text(cursor, type, arrays, 0);
    const bool shown = key != "general.name" && key != "tokenizer.chat_template" && is_utf8(key);
    if (shown && !value.empty()) values.insert_or_assign(std::string(key), std::move(value));
  }
  values.emplace("general.parameter_count", fmt::format("{}", metadata.parameters));
  std::string json = "{";
  for (const auto& [key, value] : values) {
    if (json.size() > 1) json += ',';
    json += json_quote(key) + ':' + value;
  }
  return json + '}';
}

}  // namespace castool::manifest
