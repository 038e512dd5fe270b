#include <algorithm>

#include "manifest/source.h"
#include "manifest/utf8.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace manifest = castool::manifest;

namespace {

bool climbs(const std::string& name) {
  const std::string framed = "/" + name + "/";
  return framed.find("//") != std::string::npos || framed.find("/../") != std::string::npos ||
         framed.find("/./") != std::string::npos;
}

void check(const manifest::Source& source) {
  const auto again = manifest::parse_source(manifest::source_text(source));
  require(again.has_value() && *again == source, "a source comes back from its text");
  const std::string name = manifest::ref_name(source);
  require(!climbs(name), "a ref name is a path that stays below");
  require(name.find_first_of("%?#@\\ ") == std::string::npos, "a ref name has no odd characters");
  const auto names = manifest::lookup_names(manifest::source_text(source));
  require(names.has_value() && std::ranges::find(*names, name) != names->end(),
          "a source's name is found by its text");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = castool::fuzz::text_of(data, size);
  const auto source = manifest::parse_source(text);
  if (source) check(*source);
  if (!source) {
    require(manifest::is_utf8(source.error().text()), "the message is UTF-8");
    require(source.error().text().find('\n') == std::string::npos, "the message is one line");
  }
  if (const auto hub = manifest::parse_source(text, manifest::SourceKind::kHub)) check(*hub);
  if (const auto ollama = manifest::parse_source(text, manifest::SourceKind::kOllama)) {
    check(*ollama);
  }
  if (const auto name = manifest::parse_custom_name(text)) {
    require(*name == text && !climbs(*name), "a custom name stays as it is, and below");
  }
  return 0;
}
