#include <string>

#include "fetch/content_range.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = castool::fuzz::text_of(data, size);
  const auto parsed = castool::fetch::parse_content_range(text);
  if (!parsed) return 0;
  const auto& range = parsed->range;
  require(range.length > 0, "a range is not empty");
  require(range.end() > range.offset, "a range does not wrap around");
  require(!parsed->total || range.end() <= *parsed->total, "a range lies within its total");
  const std::string printed = "bytes " + std::to_string(range.offset) + "-" +
                              std::to_string(range.end() - 1) + "/" +
                              (parsed->total ? std::to_string(*parsed->total) : "*");
  const auto again = castool::fetch::parse_content_range(printed);
  require(again && again->range == range && again->total == parsed->total,
          "what was read prints and reads again as the same");
  return 0;
}
