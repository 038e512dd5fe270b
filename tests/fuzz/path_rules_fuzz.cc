// Input: a path, and after a line feed a pattern.
#include <string>
#include <vector>

#include "manifest/path_rules.h"
#include "manifest/utf8.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace manifest = castool::manifest;

namespace {

void check_accepted(std::string_view path) {
  const std::string framed = "/" + std::string(path) + "/";
  require(framed.find("//") == std::string::npos, "no empty component");
  require(framed.find("/../") == std::string::npos, "no ..");
  require(framed.find("/./") == std::string::npos, "no .");
  require(framed.find('\0') == std::string::npos, "no NUL");
  require(path.size() <= 4095, "not longer than a path may be");
  require(manifest::is_utf8(path), "UTF-8");
  const std::vector<std::string> one{std::string(path)};
  require(manifest::check_path_set(one).has_value(), "one path is a set");
  const std::vector<std::string> both{std::string(path), std::string(path) + "/x"};
  require(!manifest::check_path_set(both), "no path is file and directory");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = castool::fuzz::text_of(data, size);
  const std::string_view path = text.substr(0, text.find('\n'));
  const std::string_view pattern =
      path.size() == text.size() ? std::string_view() : text.substr(path.size() + 1);
  const auto status = manifest::check_path(path);
  if (status) check_accepted(path);
  if (!status) require(manifest::is_utf8(status.error().message), "the message is UTF-8");
  require(manifest::matches_pattern(path, "*"), "* matches everything");
  const bool matched = manifest::matches_pattern(path, pattern);
  require(!matched || manifest::matches_pattern(path, std::string(pattern) + "*"),
          "a star after a pattern only widens it");
  return 0;
}
