#include "tools/table.h"

#include <algorithm>

#include "tools/output.h"

namespace castool::tools {
namespace {

bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// The byte where the code point of number `index` begins.
std::size_t code_point_offset(std::string_view text, std::size_t index) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (starts_code_point(text[i]) && seen++ == index) return i;
  }
  return text.size();
}

}  // namespace

std::string Table::line(const Row& cells, const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    const std::size_t padding = widths[i] - text_width(cells[i]);
    if (columns_[i].align == Align::kRight) line.append(padding, ' ');
    line += printable(cells[i]);
    if (columns_[i].align == Align::kLeft) line.append(padding, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::vector<std::string> Table::lines() const {
  Row titles;
  titles.reserve(columns_.size());
  for (const Column& column : columns_) titles.push_back(column.title);
  // What printable() puts in the place of a character is as wide.
  std::vector<std::size_t> widths(columns_.size(), 0);
  const auto widen = [&widths](const Row& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], text_width(cells[i]));
    }
  };
  widen(titles);
  std::ranges::for_each(rows_, widen);
  std::vector<std::string> lines;
  lines.reserve(rows_.size() + 1);
  lines.push_back(line(titles, widths));
  for (const Row& cells : rows_) lines.push_back(line(cells, widths));
  return lines;
}

std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_code_point));
}

std::string shorten(std::string_view text, std::size_t width) {
  const std::size_t have = text_width(text);
  if (have <= width) return std::string(text);
  if (width == 0) return {};
  // The end of a path tells more than its beginning, so it gets the bigger half.
  const std::size_t head = (width - 1) / 3;
  const std::size_t tail = width - 1 - head;
  return std::string(text.substr(0, code_point_offset(text, head))) + "…" +
         std::string(text.substr(code_point_offset(text, have - tail)));
}

}  // namespace castool::tools
