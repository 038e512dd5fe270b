#include "manifest/pbtxt_writer.h"

#include <iterator>

#include <fmt/format.h>

namespace castool::manifest {

void PbtxtWriter::begin_line() { out_.append(depth_ * 2, ' '); }

void PbtxtWriter::comment(std::string_view text) {
  begin_line();
  fmt::format_to(std::back_inserter(out_), "# {}\n", text);
}

void PbtxtWriter::text(std::string_view name, std::string_view text) {
  const char quote = text.find('"') == std::string_view::npos ? '"' : '\'';
  begin_line();
  fmt::format_to(std::back_inserter(out_), "{}: {}", name, quote);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out_.push_back('\\');
      out_.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out_), "\\{:03o}", byte);
    } else {
      out_.push_back(c);
    }
  }
  out_.push_back(quote);
  out_.push_back('\n');
}

void PbtxtWriter::literal(std::string_view name, std::string_view value) {
  begin_line();
  fmt::format_to(std::back_inserter(out_), "{}: {}\n", name, value);
}

void PbtxtWriter::literal(std::string_view name, std::uint64_t value) {
  literal(name, std::to_string(value));
}

void PbtxtWriter::open(std::string_view name) {
  begin_line();
  fmt::format_to(std::back_inserter(out_), "{} {{\n", name);
  ++depth_;
}

void PbtxtWriter::close() {
  --depth_;
  begin_line();
  out_ += "}\n";
}

}  // namespace castool::manifest
