// Writes protobuf text format: nested messages, one field a line, no separators between fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace castool::manifest {

class PbtxtWriter {
 public:
  // "# text" on a line of its own.
  void comment(std::string_view text);
  // A string field. `text` is quoted with '"', or with '\'' if it has '"' itself, and escaped.
  void text(std::string_view name, std::string_view text);
  // A number, a boolean or an enumerator.
  void literal(std::string_view name, std::string_view value);
  void literal(std::string_view name, std::uint64_t value);
  // Opens a message field; `name` may be "[extension.name]".
  void open(std::string_view name);
  void close();

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void begin_line();

  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace castool::manifest
