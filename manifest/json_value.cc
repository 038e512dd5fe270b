#include "manifest/json_value.h"

#include <algorithm>
#include <limits>

#include <nlohmann/json.hpp>

#include "manifest/printable.h"

namespace castool::manifest {
namespace {

constexpr auto kMaxSize = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// Sorted rather than hashed, so that no choice of keys makes it slow.
std::optional<std::string> duplicate_key(const JsonValue::Object& object) {
  constexpr std::size_t kFew = 8;
  if (object.size() <= kFew) {
    for (std::size_t i = 1; i < object.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (object[i].first == object[j].first) return object[i].first;
      }
    }
    return std::nullopt;
  }
  std::vector<std::string_view> keys;
  keys.reserve(object.size());
  for (const auto& member : object) keys.emplace_back(member.first);
  std::ranges::sort(keys);
  const auto twice = std::ranges::adjacent_find(keys);
  if (twice == keys.end()) return std::nullopt;
  return std::string(*twice);
}

// Builds the value while the text is read. nlohmann's own parse would keep the last of two equal
// keys and has no limit of depth.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return add(JsonValue()); }
  bool boolean(bool value) override { return add(JsonValue(JsonValue::Data(value))); }
  bool number_integer(number_integer_t value) override {
    return add(JsonValue(JsonValue::Data(std::int64_t{value})));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add(JsonValue(JsonValue::Data(std::uint64_t{value})));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return add(JsonValue(JsonValue::Data(double{value})));
  }
  // Copied: the parser goes on with the buffer that it is in.
  bool string(string_t& value) override { return add(JsonValue(JsonValue::Data(value))); }
  bool binary(binary_t&) override { return fail("not JSON"); }
  bool start_object(std::size_t) override { return open(JsonValue::Object()); }
  bool start_array(std::size_t) override { return open(JsonValue::Array()); }
  bool key(string_t& name) override {
    key_ = name;
    return true;
  }
  bool end_object() override {
    if (const auto key = duplicate_key(*stack_.back()->object())) {
      return fail("the key " + printable(*key) + " occurs twice in one object");
    }
    stack_.pop_back();
    return true;
  }
  bool end_array() override {
    stack_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail("not JSON at byte " + std::to_string(position));
  }

  [[nodiscard]] const std::string& rule() const { return rule_; }
  [[nodiscard]] JsonValue take_root() { return std::move(root_); }

 private:
  bool fail(std::string rule) {
    rule_ = std::move(rule);
    return false;
  }

  // Where the next value goes: the last element of the container that is open.
  JsonValue* place(JsonValue value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (auto* array = stack_.back()->array()) return &array->emplace_back(std::move(value));
    auto* object = stack_.back()->object();
    return &object->emplace_back(std::move(key_), std::move(value)).second;
  }

  bool add(JsonValue value) {
    if (++values_ > limits_.values) return fail("too many values");
    place(std::move(value));
    return true;
  }

  // A pointer on the stack stays good: its container cannot grow before the value is closed.
  template <class Container>
  bool open(Container container) {
    if (stack_.size() >= static_cast<std::size_t>(limits_.depth)) {
      return fail("nested deeper than " + std::to_string(limits_.depth));
    }
    if (++values_ > limits_.values) return fail("too many values");
    stack_.push_back(place(JsonValue(JsonValue::Data(std::move(container)))));
    return true;
  }

  const JsonLimits& limits_;
  JsonValue root_;
  std::vector<JsonValue*> stack_;
  std::string key_;
  std::size_t values_ = 0;
  std::string rule_;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  for (const auto& member : *members) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

base::Result<JsonValue> parse_json(std::string_view text, const JsonLimits& limits,
                                   std::string_view what) {
  const auto refused = [what](const std::string& rule) {
    return base::make_error(base::Code::kBadManifest, std::string(what) + ": " + rule);
  };
  if (text.size() > limits.bytes) {
    return refused("more than " + std::to_string(limits.bytes) + " bytes");
  }
  Builder builder(limits);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return refused(builder.rule());
  }
  return builder.take_root();
}

base::Error JsonFields::error(std::string_view key, std::string_view rule) const {
  std::string message(where_);
  message += ": ";
  message += key;
  message += ": ";
  message += rule;
  return base::make_error(base::Code::kBadManifest, std::move(message));
}

const JsonValue* JsonFields::present(std::string_view key) const {
  const JsonValue* found = value_.find(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

base::Result<std::string> JsonFields::string(std::string_view key) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return error(key, "missing");
  if (found->string() == nullptr) return error(key, "not a string");
  return *found->string();
}

base::Result<std::string> JsonFields::string_or(std::string_view key,
                                                std::string_view fallback) const {
  if (present(key) == nullptr) return std::string(fallback);
  return string(key);
}

base::Result<std::uint64_t> JsonFields::size(std::string_view key) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return error(key, "missing");
  if (found->u64() == nullptr || *found->u64() > kMaxSize) {
    return error(key, "not a whole number from 0 to 2^63-1");
  }
  return *found->u64();
}

base::Result<std::uint64_t> JsonFields::size_or(std::string_view key,
                                                std::uint64_t fallback) const {
  if (present(key) == nullptr) return fallback;
  return size(key);
}

base::Result<std::int64_t> JsonFields::integer_or(std::string_view key,
                                                  std::int64_t fallback) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return fallback;
  if (found->negative() != nullptr) return *found->negative();
  if (found->u64() == nullptr || *found->u64() > kMaxSize) {
    return error(key, "not a whole number of 64 bits");
  }
  return static_cast<std::int64_t>(*found->u64());
}

base::Result<bool> JsonFields::boolean_or(std::string_view key, bool fallback) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return fallback;
  if (found->boolean() == nullptr) return error(key, "not true or false");
  return *found->boolean();
}

base::Result<const JsonValue::Array*> JsonFields::array(std::string_view key) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return error(key, "missing");
  if (found->array() == nullptr) return error(key, "not a list");
  return found->array();
}

base::Result<const JsonValue*> JsonFields::object_or_null(std::string_view key) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return nullptr;
  if (found->object() == nullptr) return error(key, "not an object");
  return found;
}

std::string json_quote(std::string_view text) {
  using nlohmann::json;
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace castool::manifest
