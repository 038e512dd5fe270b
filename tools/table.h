// Rows in aligned columns for people. Pure.
#pragma once

#include <string>
#include <vector>

namespace castool::tools {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  using Row = std::vector<std::string>;

  // As many cells as there are columns.
  void add(Row cells) { rows_.push_back(std::move(cells)); }
  // One line a row, the titles first, two spaces between columns, no space at a line's end. Control
  // characters in cells are made harmless.
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  [[nodiscard]] std::string line(const Row& cells, const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

// Terminal columns that UTF-8 text takes, counting every code point as one.
[[nodiscard]] std::size_t text_width(std::string_view text);
// `text` cut in the middle to `width` columns, "…" where something is missing.
[[nodiscard]] std::string shorten(std::string_view text, std::size_t width);

}  // namespace castool::tools
