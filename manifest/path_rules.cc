#include "manifest/path_rules.h"

#include <algorithm>
#include <unordered_set>

#include "manifest/printable.h"
#include "manifest/utf8.h"

namespace castool::manifest {
namespace {

constexpr std::size_t kMaxComponentBytes = 255;
constexpr std::size_t kMaxPathBytes = 4095;
constexpr std::size_t kMaxComponents = 64;

base::Error refused(std::string_view path, std::string_view rule) {
  std::string message = "refused file name " + printable(path) + ": ";
  message += rule;
  return base::make_error(base::Code::kBadManifest, std::move(message));
}

bool is_dot_git(std::string_view component) {
  constexpr std::string_view kName = ".git";
  return std::equal(
      component.begin(), component.end(), kName.begin(), kName.end(),
      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; });
}

// The rule that a component breaks, or empty.
std::string_view broken_rule(std::string_view component) {
  if (component.empty()) return "an empty component";
  if (component == "." || component == "..") return "a component \".\" or \"..\"";
  if (component.size() > kMaxComponentBytes) return "a component over 255 bytes";
  if (is_dot_git(component)) return "a component \".git\"";
  while (!component.empty()) {
    const CodePoint point = first_code_point(component);
    if (point.size == 0) return "not UTF-8";
    if (is_control(point.value)) return "a control character";
    if (point.value == U'\\') return "a backslash";
    component.remove_prefix(point.size);
  }
  return {};
}

}  // namespace

base::Status check_path(std::string_view path) {
  if (path.empty()) return refused(path, "empty");
  if (path.size() > kMaxPathBytes) return refused(path, "over 4095 bytes");
  if (path.front() == '/') return refused(path, "an absolute path");
  std::size_t components = 0;
  for (std::size_t begin = 0; begin <= path.size(); ++components) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view rule = broken_rule(path.substr(begin, end - begin));
    if (!rule.empty()) return refused(path, rule);
    begin = end + 1;
  }
  if (components > kMaxComponents) return refused(path, "more than 64 components");
  return base::ok();
}

base::Status check_path_set(std::span<const std::string> paths) {
  std::unordered_set<std::string_view> files;
  files.reserve(paths.size());
  for (const std::string& path : paths) {
    if (!files.insert(path).second) return refused(path, "the name occurs twice");
  }
  for (const std::string_view path : paths) {
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      const std::string_view parent = path.substr(0, slash);
      if (files.contains(parent)) {
        return refused(parent, "the name is both a file and a directory");
      }
    }
  }
  return base::ok();
}

}  // namespace castool::manifest
