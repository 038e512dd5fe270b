// A JSON text read strictly: the one door through which foreign JSON comes in.
//
// Refused: what RFC 8259 refuses, strings that are not UTF-8, a key twice in one object, and what
// exceeds the limits. Numbers keep what they are: only a non-negative integer spelled without sign,
// point and exponent is a u64, so a size can be neither -1 nor 1e400. Values; no exceptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace castool::manifest {

struct JsonLimits {
  std::size_t bytes = 0;
  std::size_t values = 0;  // bounds the memory: a value costs about 50 bytes
  int depth = 32;
};

class JsonValue {
 public:
  using Array = std::vector<JsonValue>;
  using Object = std::vector<std::pair<std::string, JsonValue>>;  // in the text's order
  struct Null {};
  using Data =
      std::variant<Null, bool, std::uint64_t, std::int64_t, double, std::string, Array, Object>;

  JsonValue() = default;
  explicit JsonValue(Data data) : data_(std::move(data)) {}

  [[nodiscard]] bool is_null() const { return std::holds_alternative<Null>(data_); }
  [[nodiscard]] const bool* boolean() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] const std::uint64_t* u64() const { return std::get_if<std::uint64_t>(&data_); }
  // A negative integer.
  [[nodiscard]] const std::int64_t* negative() const { return std::get_if<std::int64_t>(&data_); }
  // A number with a point or an exponent.
  [[nodiscard]] const double* real() const { return std::get_if<double>(&data_); }
  [[nodiscard]] const std::string* string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Array* array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Object* object() const { return std::get_if<Object>(&data_); }
  [[nodiscard]] Array* array() { return std::get_if<Array>(&data_); }
  [[nodiscard]] Object* object() { return std::get_if<Object>(&data_); }

  // A member of an object; nullptr if there is none or this is no object.
  [[nodiscard]] const JsonValue* find(std::string_view key) const;

 private:
  Data data_;
};

// kBadManifest with the rule that `text` breaks; the message begins with `what`.
[[nodiscard]] base::Result<JsonValue> parse_json(std::string_view text, const JsonLimits& limits,
                                                 std::string_view what);

// Members of an object, typed. An optional member that is absent or null has its default; one of
// another type is an error that names it after `where`.
class JsonFields {
 public:
  // `value` and `where` must outlive this. An error (on the first access) if it is no object.
  JsonFields(const JsonValue& value, std::string_view where) : value_(value), where_(where) {}

  [[nodiscard]] base::Result<std::string> string(std::string_view key) const;
  [[nodiscard]] base::Result<std::string> string_or(std::string_view key,
                                                    std::string_view fallback) const;
  // At most 2^63-1, so that sums and file offsets have room.
  [[nodiscard]] base::Result<std::uint64_t> size(std::string_view key) const;
  [[nodiscard]] base::Result<std::uint64_t> size_or(std::string_view key,
                                                    std::uint64_t fallback) const;
  [[nodiscard]] base::Result<std::int64_t> integer_or(std::string_view key,
                                                      std::int64_t fallback) const;
  [[nodiscard]] base::Result<bool> boolean_or(std::string_view key, bool fallback) const;
  [[nodiscard]] base::Result<const JsonValue::Array*> array(std::string_view key) const;
  // nullptr when absent or null.
  [[nodiscard]] base::Result<const JsonValue*> object_or_null(std::string_view key) const;

  [[nodiscard]] base::Error error(std::string_view key, std::string_view rule) const;

 private:
  [[nodiscard]] const JsonValue* present(std::string_view key) const;

  const JsonValue& value_;
  std::string_view where_;
};

// `text` as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_quote(std::string_view text);

}  // namespace castool::manifest
