// Where each ref stands in a layout, or why it is left out.
//
// Rules, the same in every process: refs are placed in the order of their first pull (then by
// name); who comes first keeps the path, and a later ref that needs the same path, a directory
// inside a placed model, or a parent of one is left out. Names that the layout uses itself are
// taken from the start. In the hf layout, refs of one repository share its path. Pure functions of
// the refs' records: no manifest is read.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/ref_record.h"

namespace castool::fusefs {

// kAll has the others below directories of their names; no ref is placed in it by itself.
enum class Layout { kOvms, kOllama, kHf, kAll };
inline constexpr std::array<Layout, 3> kLayouts = {Layout::kOvms, Layout::kOllama, Layout::kHf};

[[nodiscard]] std::string_view word(Layout layout);  // "ovms", "ollama", "hf", "all"
[[nodiscard]] std::optional<Layout> layout_of(std::string_view word);

struct Place {
  const manifest::RefRecord* record = nullptr;
  std::string path;      // relative to the mount, or empty
  std::string left_out;  // why it has no path, or empty
};

// One place for each record, in the order of first pull.
[[nodiscard]] std::vector<Place> place_all(std::span<const manifest::RefRecord> records,
                                           Layout layout);
// The place of one ref among all of its namespace, as `show` prints it.
[[nodiscard]] Place place_of(std::span<const manifest::RefRecord> records, std::string_view name,
                             Layout layout);

}  // namespace castool::fusefs
