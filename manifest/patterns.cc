// matches_pattern() and selected() of path_rules.h.
#include <algorithm>
#include <optional>

#include "manifest/path_rules.h"
#include "manifest/utf8.h"

namespace castool::manifest {
namespace {

// Python matches characters, not bytes. A byte that is not UTF-8 stands for itself, as Python's
// "surrogateescape" has it.
std::u32string characters(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    const auto byte = static_cast<unsigned char>(text.front());
    out.push_back(point.size == 0 ? 0xdc00u + byte : point.value);
    text.remove_prefix(point.size == 0 ? 1 : point.size);
  }
  return out;
}

// "[...]" in a pattern.
struct Set {
  std::u32string_view members;  // without the brackets and the '!'
  bool negated = false;
  std::size_t end = 0;  // index after the ']'

  [[nodiscard]] bool contains(char32_t c) const {
    for (std::size_t i = 0; i < members.size();) {
      const bool range = i + 2 < members.size() && members[i + 1] == U'-';
      const char32_t last = range ? members[i + 2] : members[i];
      if (c >= members[i] && c <= last) return !negated;
      i += range ? 3 : 1;
    }
    return negated;
  }
};

// The set that begins at `open`, or nothing: a '[' without a ']' is an ordinary character, and a
// ']' right after "[" or "[!" is a member.
std::optional<Set> parse_set(std::u32string_view pattern, std::size_t open) {
  Set set;
  std::size_t begin = open + 1;
  if (begin < pattern.size() && pattern[begin] == U'!') {
    set.negated = true;
    ++begin;
  }
  const std::size_t close = pattern.find(U']', begin + 1);
  if (begin >= pattern.size() || close == std::u32string_view::npos) return std::nullopt;
  set.members = pattern.substr(begin, close - begin);
  set.end = close + 1;
  return set;
}

// How far the pattern moves on if its element at `at`, which is not '*', takes `c`; 0 if it does
// not.
std::size_t take(std::u32string_view pattern, std::size_t at, char32_t c) {
  if (pattern[at] == U'?') return 1;
  if (pattern[at] == U'[') {
    if (const auto set = parse_set(pattern, at)) return set->contains(c) ? set->end - at : 0;
  }
  return pattern[at] == c ? 1 : 0;
}

// On a mismatch only the last '*' takes one character more, so the time is bounded by the product
// of the lengths, whatever the pattern.
bool matches(std::u32string_view text, std::u32string_view pattern) {
  std::size_t at = 0;
  std::size_t i = 0;
  std::optional<std::size_t> after_star;
  std::size_t star_text = 0;
  while (i < text.size()) {
    if (at < pattern.size() && pattern[at] == U'*') {
      after_star = ++at;
      star_text = i;
      continue;
    }
    const std::size_t step = at < pattern.size() ? take(pattern, at, text[i]) : 0;
    if (step != 0) {
      at += step;
      ++i;
    } else if (after_star) {
      at = *after_star;
      i = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of(U'*', at) == std::u32string_view::npos;
}

}  // namespace

bool matches_pattern(std::string_view path, std::string_view pattern) {
  std::string rule(pattern);
  std::replace(rule.begin(), rule.end(), '\\', '/');
  if (rule.ends_with('/')) rule.push_back('*');
  return matches(characters(path), characters(rule));
}

std::string literal_pattern(std::string_view path) {
  std::string pattern;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[') {
      pattern += {'[', c, ']'};
    } else {
      pattern += c;
    }
  }
  return pattern;
}

bool selected(std::string_view path, std::span<const std::string> include,
              std::span<const std::string> exclude) {
  const auto hit = [path](const std::string& pattern) { return matches_pattern(path, pattern); };
  return (include.empty() || std::ranges::any_of(include, hit)) &&
         std::ranges::none_of(exclude, hit);
}

}  // namespace castool::manifest
