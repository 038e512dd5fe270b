#include "tests/manifest/pbtxt_reader.h"

#include <cctype>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace castool::manifest {
namespace {

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  nlohmann::json message(char end) {
    nlohmann::json fields = nlohmann::json::array();
    while (true) {
      skip();
      if (at_ == text_.size() && end == '\0') return fields;
      if (peek() == end) {
        ++at_;
        return fields;
      }
      const std::string field = name();
      fields.push_back(nlohmann::json::array({field, value()}));
      skip();
      if (peek() == ',' || peek() == ';') ++at_;
    }
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(peek())) != 0) {
        ++at_;
      } else if (peek() == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        return;
      }
    }
  }

  std::string word() {
    std::string out;
    while (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '_' ||
           peek() == '.' || peek() == '-' || peek() == '+') {
      out.push_back(text_[at_++]);
    }
    if (out.empty()) throw std::runtime_error("no word at " + std::to_string(at_));
    return out;
  }

  std::string name() {
    if (peek() != '[') return word();
    std::string out;
    for (const std::size_t end = text_.find(']', at_); at_ <= end; ++at_) {
      if (end == std::string::npos) throw std::runtime_error("no ]");
      if (peek() != ' ') out.push_back(peek());
    }
    return out;
  }

  std::string quoted_text() {
    const char quote = text_[at_++];
    std::string out;
    while (peek() != quote) {
      if (peek() == '\0' || peek() == '\n') throw std::runtime_error("no closing quote");
      if (peek() == '\\') {
        ++at_;
        if (std::isdigit(static_cast<unsigned char>(peek())) != 0) {
          out.push_back(static_cast<char>(std::stoi(text_.substr(at_, 3), nullptr, 8)));
          at_ += 3;
          continue;
        }
      }
      out.push_back(text_[at_++]);
    }
    ++at_;
    return out;
  }

  nlohmann::json value() {
    skip();
    const bool colon = peek() == ':';
    if (colon) ++at_;
    skip();
    if (peek() == '{') {
      ++at_;
      return message('}');
    }
    if (!colon) throw std::runtime_error("no : at " + std::to_string(at_));
    if (peek() == '"' || peek() == '\'') return quoted_text();
    return nlohmann::json{{"lit", word()}};
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace

nlohmann::json read_pbtxt(const std::string& text) { return Reader(text).message('\0'); }

}  // namespace castool::manifest
