#include "manifest/hub_json.h"
#include "manifest/path_rules.h"
#include "manifest/utf8.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace manifest = castool::manifest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json = castool::fuzz::text_of(data, size);
  if (const auto info = manifest::parse_repo_info(json)) {
    require(info->sha.size() == 40, "a commit has 40 digits");
    require(info->id.find("..") == std::string::npos, "an id does not climb");
  }
  if (const auto files = manifest::parse_tree_page(json)) {
    for (const auto& file : *files) {
      require(manifest::check_path(file.path).has_value(), "paths passed the rules");
      require(file.size < std::uint64_t{1} << 63, "sizes are below 2^63");
    }
  }
  const std::string sentence = manifest::error_sentence(json);
  require(sentence.size() <= 300, "an error sentence is short");
  require(manifest::is_utf8(sentence), "an error sentence is UTF-8");
  require(sentence.find_first_of("\r\n\x1b") == std::string::npos, "an error sentence is one line");
  return 0;
}
