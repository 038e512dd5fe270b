// Numbers and texts as bytes, for a message to another process on this machine: numbers in its own
// order, texts after their length (u64).
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace castool::fusefs {

class ByteWriter {
 public:
  template <class T>
  void number(T value) {
    static_assert(std::is_integral_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view text) {
    number<std::uint64_t>(text.size());
    bytes_.append(text);
  }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// After a read beyond the end everything reads as zeros and good() is false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T number() {
    static_assert(std::is_integral_v<T>);
    T value{};
    const std::string_view from = cut(sizeof value);
    if (good_) std::memcpy(&value, from.data(), sizeof value);
    return value;
  }
  std::string_view text() {
    const auto size = number<std::uint64_t>();
    return cut(size);
  }
  // A number of things each of which takes at least one byte, so that a wrong one costs no memory.
  std::uint64_t count() {
    const auto value = number<std::uint64_t>();
    if (value > bytes_.size()) good_ = false;
    return good_ ? value : 0;
  }
  void fail() { good_ = false; }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view cut(std::uint64_t size) {
    if (!good_ || size > bytes_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return part;
  }

  std::string_view bytes_;
  bool good_ = true;
};

}  // namespace castool::fusefs
