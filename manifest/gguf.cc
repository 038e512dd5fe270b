#include "manifest/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "manifest/gguf_cursor.h"
#include "manifest/utf8.h"

namespace castool::manifest {
namespace {

using base::Code;
using base::Result;

constexpr std::uint32_t kMostDimensions = 8;
constexpr std::string_view kSuffix = ".gguf";

struct FileType {
  std::uint64_t number;
  std::string_view name;
};
// llama.cpp's enum llama_ftype.
constexpr std::array<FileType, 33> kFileTypes = {{
    {0, "F32"},      {1, "F16"},      {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},
    {8, "Q5_0"},     {9, "Q5_1"},     {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"},
    {13, "Q3_K_L"},  {14, "Q4_K_S"},  {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"},
    {18, "Q6_K"},    {19, "IQ2_XXS"}, {20, "IQ2_XS"}, {21, "Q2_K_S"}, {22, "IQ3_XS"},
    {23, "IQ3_XXS"}, {24, "IQ1_S"},   {25, "IQ4_NL"}, {26, "IQ3_S"},  {27, "IQ3_M"},
    {28, "IQ2_S"},   {29, "IQ2_M"},   {30, "IQ4_XS"}, {31, "IQ1_M"},  {32, "BF16"},
    {36, "TQ1_0"},   {37, "TQ2_0"},   {38, "MXFP4"},
}};

base::Error bad(std::string_view what) {
  return base::make_error(Code::kBadManifest, "GGUF: " + std::string(what));
}

// A string of that key, or an integer; what has another type is skipped like any other value.
bool read_text(GgufCursor& cursor, std::uint32_t type, std::size_t limit, std::string& into) {
  if (type != kGgufString) return skip_gguf_value(cursor, type);
  const std::string_view text = cursor.text();
  if (text.size() <= limit && is_utf8(text)) into = text;
  return !cursor.failed();
}

bool read_count(GgufCursor& cursor, std::uint32_t type, std::optional<std::uint64_t>& into) {
  if (!is_gguf_integer(type)) return skip_gguf_value(cursor, type);
  const std::size_t size = gguf_scalar_size(type);
  const std::uint64_t value = cursor.number(size);
  const bool negative = is_gguf_signed(type) && (value >> (8 * size - 1) & 1) != 0;
  if (!negative) into = value;
  return !cursor.failed();
}

bool read_pair(GgufCursor& cursor, GgufMetadata& metadata) {
  const std::string_view key = cursor.text();
  const std::uint32_t type = cursor.u32();
  if (cursor.failed()) return false;
  if (key == "general.architecture")
    return read_text(cursor, type, kMaxGgufName, metadata.architecture);
  if (key == "general.name") return read_text(cursor, type, kMaxGgufName, metadata.name);
  if (key == "tokenizer.chat_template")
    return read_text(cursor, type, kMaxChatTemplate, metadata.chat_template);
  if (key == "general.file_type") return read_count(cursor, type, metadata.file_type);
  const std::string prefix = metadata.architecture + ".";
  if (key == prefix + "context_length") return read_count(cursor, type, metadata.context_length);
  if (key == prefix + "embedding_length")
    return read_count(cursor, type, metadata.embedding_length);
  return skip_gguf_value(cursor, type);
}

bool read_tensor(GgufCursor& cursor, std::uint64_t& parameters) {
  static_cast<void>(cursor.text());
  const std::uint32_t dimensions = cursor.u32();
  if (cursor.failed() || dimensions > kMostDimensions) return false;
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    if (__builtin_mul_overflow(elements, cursor.u64(), &elements)) return false;
  }
  static_cast<void>(cursor.take(4 + 8));
  return !cursor.failed() && !__builtin_add_overflow(parameters, elements, &parameters);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// Without ".gguf"; empty when it does not end so.
std::string_view stem(std::string_view file_name) {
  if (file_name.size() < kSuffix.size()) return {};
  const std::size_t at = file_name.size() - kSuffix.size();
  return equal_ignoring_case(file_name.substr(at), kSuffix) ? file_name.substr(0, at)
                                                            : std::string_view();
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

bool skip_gguf_value(GgufCursor& cursor, std::uint32_t type, int depth) {
  if (type == kGgufString) {
    static_cast<void>(cursor.text());
    return !cursor.failed();
  }
  if (type != kGgufArray) {
    const std::size_t size = gguf_scalar_size(type);
    static_cast<void>(cursor.take(size));
    return size != 0 && !cursor.failed();
  }
  const std::uint32_t element = cursor.u32();
  const std::uint64_t count = cursor.u64();
  if (cursor.failed() || depth == kMostGgufNesting || count > cursor.left()) return false;
  if (const std::size_t size = gguf_scalar_size(element); size != 0) {
    static_cast<void>(cursor.take(count * size));
    return !cursor.failed();
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!skip_gguf_value(cursor, element, depth + 1)) return false;
  }
  return true;
}

Result<GgufMetadata> read_gguf(std::span<const std::byte> front) {
  GgufCursor cursor(front);
  const auto magic = cursor.take(4);
  if (cursor.failed() || std::memcmp(magic.data(), "GGUF", 4) != 0) return bad("it is none");
  const std::uint32_t version = cursor.u32();
  if (version != 2 && version != 3) return bad("its version is neither 2 nor 3");
  const std::uint64_t tensors = cursor.u64();
  const std::uint64_t pairs = cursor.u64();
  if (tensors > kMaxGgufTensors) return bad("it has too many tensors");
  GgufMetadata metadata;
  for (std::uint64_t i = 0; i < pairs; ++i) {
    if (!read_pair(cursor, metadata)) return bad("its metadata is damaged or too long");
  }
  for (std::uint64_t i = 0; i < tensors; ++i) {
    if (!read_tensor(cursor, metadata.parameters)) return bad("its table of tensors is damaged");
  }
  if (cursor.failed()) return bad("it ends too early");
  if (metadata.architecture.empty()) return bad("it names no architecture");
  return metadata;
}

std::string_view gguf_quantisation(std::uint64_t file_type) {
  for (const FileType& known : kFileTypes) {
    if (known.number == file_type) return known.name;
  }
  return "unknown";
}

std::string_view quantisation_in_name(std::string_view file_name) {
  const std::string_view name = stem(file_name);
  std::string_view longest;
  for (const FileType& known : kFileTypes) {
    if (name.size() <= known.name.size() || known.name.size() <= longest.size()) continue;
    const std::size_t at = name.size() - known.name.size();
    const char before = name[at - 1];
    const bool apart = before == '-' || before == '.' || before == '_';
    if (apart && equal_ignoring_case(name.substr(at), known.name)) longest = name.substr(at);
  }
  return longest;
}

bool is_gguf_part(std::string_view file_name) {
  constexpr std::string_view kOf = "-of-";
  constexpr std::size_t kDigits = 5;
  const std::string_view name = stem(file_name);
  if (name.size() < 2 * kDigits + kOf.size() + 1) return false;
  const std::size_t second = name.size() - kDigits;
  const std::size_t first = second - kOf.size() - kDigits;
  return all_digits(name.substr(second)) && name.substr(second - kOf.size(), kOf.size()) == kOf &&
         all_digits(name.substr(first, kDigits)) && name[first - 1] == '-';
}

}  // namespace castool::manifest
