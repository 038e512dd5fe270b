#include "manifest/ref_record.h"
#include "manifest/source.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace manifest = castool::manifest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = manifest::parse_ref_record(castool::fuzz::text_of(data, size));
  if (!parsed) return 0;
  const auto names = manifest::lookup_names(parsed->name);
  require(names.has_value() || parsed->name.find('/') == std::string::npos,
          "a record's name can be looked up");
  const std::string printed = manifest::print_ref_record(*parsed);
  const auto again = manifest::parse_ref_record(printed);
  require(again.has_value(), "what is printed can be parsed");
  require(again->options == parsed->options, "options come back");
  require(manifest::print_ref_record(*again) == printed, "printing is stable");
  return 0;
}
