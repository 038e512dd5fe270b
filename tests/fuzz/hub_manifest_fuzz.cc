#include "manifest/manifest.h"
#include "manifest/path_rules.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace manifest = castool::manifest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = manifest::parse_hub_manifest(castool::fuzz::text_of(data, size));
  if (!parsed) return 0;
  for (const auto& file : parsed->files) {
    require(manifest::check_path(file.path).has_value(), "paths passed the rules");
  }
  const std::string canonical = manifest::print_hub_manifest(*parsed);
  const auto again = manifest::parse_hub_manifest(canonical);
  require(again.has_value(), "what is printed can be parsed");
  require(again->files.size() == parsed->files.size(), "no file is lost");
  require(manifest::print_hub_manifest(*again) == canonical, "canonical bytes are stable");
  return 0;
}
