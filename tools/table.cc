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

std::vector<std::string> Table::lines() const {
  std::vector<std::vector<std::string>> all(1);
  for (const Column& column : columns_) all.front().push_back(column.title);
  for (const auto& row : rows_) {
    auto& cells = all.emplace_back();
    for (const std::string& cell : row) cells.push_back(printable(cell));
  }
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& row : all) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], text_width(row[i]));
  }
  std::vector<std::string> lines;
  for (const auto& row : all) {
    std::string& line = lines.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - text_width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += columns_[i].align == Align::kRight ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
  }
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
