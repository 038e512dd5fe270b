#include "manifest/ovms_gguf.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "manifest/path_rules.h"
#include "manifest/printable.h"

namespace castool::manifest {
namespace {

constexpr std::string_view kOf = "-of-";
constexpr std::string_view kSuffix = ".gguf";
constexpr std::size_t kDigits = 5;

std::optional<unsigned> five_digits(std::string_view text) {
  unsigned value = 0;
  if (text.size() != kDigits || text.find_first_not_of("0123456789") != text.npos) return {};
  static_cast<void>(std::from_chars(text.data(), text.data() + text.size(), value));
  return value;
}

}  // namespace

base::Result<std::vector<std::string>> gguf_parts(std::string_view filename) {
  if (const auto path = check_path(filename); !path) {
    return base::make_error(base::Code::kUsage,
                            "gguf_filename: " + printable(filename) + " is not allowed",
                            path.error().message);
  }
  const std::size_t of = filename.rfind(kOf);
  if (of == std::string_view::npos) return std::vector{std::string(filename)};
  const std::string_view head = filename.substr(0, of);
  const std::string_view tail = filename.substr(of + kOf.size());
  const bool shaped = head.size() > kDigits && head[head.size() - kDigits - 1] == '-' &&
                      tail.size() == kDigits + kSuffix.size() && tail.ends_with(kSuffix);
  const auto first = shaped ? five_digits(head.substr(head.size() - kDigits)) : std::nullopt;
  const auto count = shaped ? five_digits(tail.substr(0, kDigits)) : std::nullopt;
  if (first != 1u || !count || *count == 0) {
    return base::make_error(
        base::Code::kUnsupported,
        "gguf_filename: " + printable(filename) +
            ": the name of a multipart GGUF must start with part 00001",
        "give <name>-00001-of-<NNNNN>.gguf; the other parts follow by themselves");
  }
  std::vector<std::string> parts;
  parts.reserve(*count);
  const std::string_view stem = head.substr(0, head.size() - kDigits);
  for (unsigned part = 1; part <= *count; ++part) {
    parts.push_back(fmt::format("{}{:05}-of-{}", stem, part, tail));
  }
  return parts;
}

}  // namespace castool::manifest
