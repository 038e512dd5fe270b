// Which file names of a repository may become names in a directory of ours.
//
// Refused: absolute, "." or "..", empty component, NUL or control characters, '\', a component over
// 255 bytes, a path over 4095 bytes or 64 components deep, invalid UTF-8, a component ".git" (any
// case). Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::manifest {

// kBadManifest naming the path (with control characters escaped) and the rule it breaks.
[[nodiscard]] base::Status check_path(std::string_view path);
// The whole set: no duplicates, no path that is both a file and a directory.
[[nodiscard]] base::Status check_path_set(std::span<const std::string> paths);

// The Hub's pattern rules (Python fnmatchcase on the whole path): case counts, '*' and '?' cross
// '/', [seq], [!seq]; a trailing '/' means everything below; '\' in a pattern is '/'.
[[nodiscard]] bool matches_pattern(std::string_view path, std::string_view pattern);
// The pattern that matches exactly `path`.
[[nodiscard]] std::string literal_pattern(std::string_view path);
// Kept if no include or any include matches, and no exclude matches.
[[nodiscard]] bool selected(std::string_view path, std::span<const std::string> include,
                            std::span<const std::string> exclude);

}  // namespace castool::manifest
