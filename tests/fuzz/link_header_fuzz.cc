#include "manifest/hub_json.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace manifest = castool::manifest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto next = manifest::next_link(castool::fuzz::text_of(data, size));
  if (!next) return 0;
  require(!next->empty(), "an address is not empty");
  require(next->find_first_of(" \r\n\t>") == std::string::npos, "an address has no blanks");
  const auto again = manifest::next_link("<" + *next + ">; rel=\"next\"");
  require(again == next, "an address comes back as it was");
  return 0;
}
