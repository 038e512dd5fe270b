// next_link() of hub_json.h: the Link header of RFC 8288, as far as paging needs it.
#include <algorithm>
#include <cctype>

#include "manifest/hub_json.h"

namespace castool::manifest {
namespace {

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

// A token or a quoted string, taken off `text`.
std::string take_word(std::string_view& text) {
  skip_blanks(text);
  std::string word;
  if (!text.starts_with('"')) {
    const std::size_t end = std::min(text.find_first_of(" \t;,="), text.size());
    word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
  }
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '"') {
    if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
    word.push_back(text.front());
    text.remove_prefix(1);
  }
  if (!text.empty()) text.remove_prefix(1);
  return word;
}

bool names_next(std::string_view relations) {
  while (!relations.empty()) {
    skip_blanks(relations);
    const std::size_t end = std::min(relations.find_first_of(" \t"), relations.size());
    if (equal_ignoring_case(relations.substr(0, end), "next")) return true;
    relations.remove_prefix(end);
  }
  return false;
}

// The parameters of one link, taken off `text` up to the comma; true if the first "rel" has "next".
bool take_parameters(std::string_view& text) {
  bool next = false;
  bool seen_rel = false;
  for (skip_blanks(text); text.starts_with(';'); skip_blanks(text)) {
    text.remove_prefix(1);
    const std::string name = take_word(text);
    skip_blanks(text);
    std::string value;
    if (text.starts_with('=')) {
      text.remove_prefix(1);
      value = take_word(text);
    }
    if (!seen_rel && equal_ignoring_case(name, "rel")) {
      seen_rel = true;
      next = names_next(value);
    }
  }
  return next;
}

bool is_address(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::optional<std::string> next_link(std::string_view link_header) {
  std::string_view rest = link_header;
  while (true) {
    const std::size_t open = rest.find_first_not_of(" \t,");
    if (open == std::string_view::npos || rest[open] != '<') return std::nullopt;
    rest.remove_prefix(open + 1);
    const std::size_t close = rest.find('>');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view address = rest.substr(0, close);
    rest.remove_prefix(close + 1);
    if (take_parameters(rest) && is_address(address)) return std::string(address);
    if (!rest.empty() && rest.front() != ',') return std::nullopt;
  }
}

}  // namespace castool::manifest
