#include "tests/support/hub/fault.h"

#include <fnmatch.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace castool::hub {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// The names that may stand in an object, each with an example of its type.
void check_members(const json& object, const json& examples, const std::string& where) {
  if (!object.is_object()) throw std::invalid_argument(where + " is not an object");
  for (const auto& [key, value] : object.items()) {
    const auto example = examples.find(key);
    if (example == examples.end()) throw std::invalid_argument(where + ": unknown member " + key);
    const bool same = (value.is_number() && example->is_number()) ||
                      value.type() == example->type() || (key == "flip_at" && value.is_array());
    if (!same) throw std::invalid_argument(where + ": wrong type of " + key);
  }
}

const json& action_examples() {
  static const json examples = {{"status", 1},
                                {"headers", json::object()},
                                {"add_headers", json::array()},
                                {"remove_headers", json::array()},
                                {"body", ""},
                                {"location", ""},
                                {"redirect_loop", true},
                                {"etag", ""},
                                {"retry_after", 1},
                                {"retry_after_date", 1},
                                {"ignore_range", true},
                                {"content_range", json::object()},
                                {"multipart", true},
                                {"shorten", 1},
                                {"declared_length", 1},
                                {"length_delta", 1},
                                {"extra_bytes", 1},
                                {"flip_at", 1},
                                {"garble", true},
                                {"no_length", true},
                                {"chunked", true},
                                {"chunked_no_end", true},
                                {"cut_after", 1},
                                {"reset_after", 1},
                                {"close", true},
                                {"reset", true},
                                {"close_after", true},
                                {"stall_after", 1},
                                {"stall_at", 1},
                                {"stall_ms", 1},
                                {"trickle_bytes", 1},
                                {"trickle_ms", 1},
                                {"header_trickle_ms", 1},
                                {"delay_ms", 1},
                                {"before", ""},
                                {"raw", ""},
                                {"expire_signatures", true},
                                {"revoke_tokens", true}};
  return examples;
}

template <class T>
std::optional<T> member(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  return found->get<T>();
}

bool flag(const json& action, const char* key) { return action.value(key, false); }

milliseconds pause(const json& action, const char* key) {
  return milliseconds(action.value(key, std::int64_t{0}));
}

std::vector<std::uint64_t> flips(const json& action) {
  const auto found = action.find("flip_at");
  if (found == action.end()) return {};
  if (found->is_array()) return found->get<std::vector<std::uint64_t>>();
  return {found->get<std::uint64_t>()};
}

// The bytes a request asks for; a file of unknown size is taken to be endless.
base::ByteRange asked_range(const Request& request) {
  constexpr std::uint64_t kEndless = std::numeric_limits<std::int64_t>::max();
  const RangeRequest asked = parse_range(request.headers.get("Range"), kEndless);
  return asked.kind == RangeRequest::Kind::kSatisfiable ? asked.range
                                                        : base::ByteRange{0, kEndless};
}

void apply_to_head(const json& action, const Request& request, Response& response) {
  if (const auto location = member<std::string>(action, "location")) {
    response = Response::redirect(302, *location);
  }
  if (flag(action, "redirect_loop")) response = Response::redirect(302, request.target);
  if (const auto status = member<int>(action, "status")) {
    const bool success = *status >= 200 && *status < 300;
    // A failure does not carry the file.
    if (!success && response.content) response = Response::text(*status, "");
    response.status = *status;
  }
  if (const auto body = member<std::string>(action, "body")) {
    response.content = nullptr;
    response.headers.remove("Content-Range");
    response.body = *body;
  }
  if (const auto etag = member<std::string>(action, "etag")) response.headers.set("ETag", *etag);
  if (const auto seconds = member<int>(action, "retry_after")) {
    response.headers.set("Retry-After", std::to_string(*seconds));
  }
  if (const auto seconds = member<int>(action, "retry_after_date")) {
    response.headers.set("Retry-After", http_date(std::chrono::system_clock::now() +
                                                  std::chrono::seconds(*seconds)));
  }
}

void apply_to_range(const json& action, Response& response) {
  if (const auto shift = action.find("content_range");
      shift != action.end() && response.status == 206 && response.content) {
    const auto shifted = [&](const char* key, std::uint64_t value) {
      return static_cast<std::int64_t>(value) + shift->value(key, std::int64_t{0});
    };
    response.headers.set("Content-Range",
                         fmt::format("bytes {}-{}/{}", shifted("start", response.range.offset),
                                     shifted("end", response.range.end() - 1),
                                     shifted("total", response.content->size())));
  }
  if (const auto bytes = member<std::uint64_t>(action, "shorten"); bytes && response.content) {
    response.range.length -= std::min(*bytes, response.range.length);
    if (response.status == 206 && response.range.length > 0) {
      response.headers.set("Content-Range",
                           content_range(response.range, response.content->size()));
    }
  }
  if (flag(action, "multipart") && response.status == 206 && response.content) {
    constexpr std::string_view kBoundary = "castool-test-hub-boundary";
    std::string part(response.range.length, '\0');
    if (!response.content->read_at(response.range.offset,
                                   std::as_writable_bytes(std::span(part)))) {
      part.clear();
    }
    response.body = fmt::format("--{0}\r\nContent-Range: {1}\r\n\r\n{2}\r\n--{0}--\r\n", kBoundary,
                                response.headers.get("Content-Range"), part);
    response.content = nullptr;
    response.headers.remove("Content-Range");
    response.headers.set("Content-Type",
                         fmt::format("multipart/byteranges; boundary={}", kBoundary));
  }
}

void apply_headers(const json& action, Response& response) {
  using Fields = std::vector<std::pair<std::string, std::string>>;
  for (const auto& name : action.value("remove_headers", std::vector<std::string>())) {
    response.headers.remove(name);
  }
  for (const auto& [name, value] : action.value("headers", std::map<std::string, std::string>())) {
    response.headers.set(name, value);
  }
  for (const auto& [name, value] : action.value("add_headers", Fields())) {
    response.headers.add(name, value);
  }
}

void apply_to_wire(const json& action, Response& response) {
  Wire& wire = response.wire;
  wire.declared_length = member<std::int64_t>(action, "declared_length");
  if (const auto delta = member<std::int64_t>(action, "length_delta")) {
    wire.declared_length = static_cast<std::int64_t>(response.body_size()) + *delta;
  }
  wire.extra_bytes = action.value("extra_bytes", std::uint64_t{0});
  wire.flip_at = flips(action);
  wire.garble = flag(action, "garble");
  if (flag(action, "no_length")) wire.framing = Wire::Framing::kNone;
  if (flag(action, "chunked")) wire.framing = Wire::Framing::kChunked;
  if (flag(action, "chunked_no_end")) wire.framing = Wire::Framing::kChunkedWithoutEnd;
  wire.cut_after = member<std::uint64_t>(action, "cut_after");
  if (wire.cut_after || flag(action, "close_after")) wire.end = Wire::End::kClose;
  if (const auto bytes = member<std::uint64_t>(action, "reset_after")) {
    wire.cut_after = bytes;
    wire.end = Wire::End::kReset;
  }
  if (flag(action, "close") || flag(action, "reset")) {
    wire.nothing = true;
    wire.end = flag(action, "reset") ? Wire::End::kReset : Wire::End::kClose;
  }
  wire.stall_after = member<std::uint64_t>(action, "stall_after");
  if (const auto at = member<std::uint64_t>(action, "stall_at"); at && response.content) {
    wire.stall_after = *at - std::min(*at, response.range.offset);
  }
  wire.stall = pause(action, "stall_ms");
  wire.piece = action.value("trickle_bytes", std::uint64_t{0});
  wire.piece_pause = pause(action, "trickle_ms");
  wire.header_pause = pause(action, "header_trickle_ms");
  wire.delay += pause(action, "delay_ms");
  wire.before = action.value("before", std::string());
  wire.raw = member<std::string>(action, "raw");
}

// Throws std::invalid_argument for what the members' types alone do not show.
void rehearse(const json& action) {
  Response response;
  response.status = 206;
  response.content = std::make_shared<MemoryContent>("0123456789");
  response.range = {0, 1};
  try {
    apply_to_response(action, Request(), response);
  } catch (const json::exception& error) {
    throw std::invalid_argument(std::string("action: ") + error.what());
  }
}

}  // namespace

FaultRule FaultRule::parse(const json& rule) {
  check_members(rule,
                {{"match", json::object()}, {"times", 1}, {"after", 1}, {"action", json::object()}},
                "rule");
  const json match = rule.value("match", json::object());
  check_members(match,
                {{"origin", ""},
                 {"method", ""},
                 {"target", ""},
                 {"glob", ""},
                 {"ranged", true},
                 {"range_from", 1},
                 {"covers", 1},
                 {"range_over", 1},
                 {"reused", true}},
                "match");
  FaultRule parsed;
  parsed.action = rule.value("action", json::object());
  check_members(parsed.action, action_examples(), "action");
  rehearse(parsed.action);
  parsed.origin = match.value("origin", "");
  parsed.method = match.value("method", "");
  parsed.target = match.value("target", "");
  parsed.glob = match.value("glob", "");
  parsed.ranged = member<bool>(match, "ranged");
  parsed.range_from = member<std::uint64_t>(match, "range_from");
  parsed.covers = member<std::uint64_t>(match, "covers");
  parsed.range_over = member<std::uint64_t>(match, "range_over");
  parsed.reused = member<bool>(match, "reused");
  parsed.times = rule.value("times", std::int64_t{1});
  parsed.after = rule.value("after", std::uint64_t{0});
  if (const auto offsets = flips(parsed.action); !parsed.covers && !offsets.empty()) {
    parsed.covers = offsets.front();
  }
  if (!parsed.covers) parsed.covers = member<std::uint64_t>(parsed.action, "stall_at");
  return parsed;
}

bool FaultRule::matches(const std::string& of_origin, const Request& request) const {
  if (!origin.empty() && origin != of_origin) return false;
  if (!method.empty() && method != request.method) return false;
  if (request.target.find(target) == std::string::npos) return false;
  if (!glob.empty() && ::fnmatch(glob.c_str(), request.target.c_str(), 0) != 0) return false;
  if (ranged && *ranged != (request.headers.find("Range") != nullptr)) return false;
  const base::ByteRange asked = asked_range(request);
  if (range_from && asked.offset < *range_from) return false;
  if (range_over && asked.length <= *range_over) return false;
  if (reused && *reused != request.reused) return false;
  // A HEAD has no byte of the file.
  return !covers || (!request.is_head() && asked.contains({*covers, 1}));
}

void FaultRules::add(const json& list) {
  if (!list.is_array()) throw std::invalid_argument("faults are a JSON list of rules");
  std::vector<FaultRule> parsed;
  for (const json& rule : list) parsed.push_back(FaultRule::parse(rule));
  const base::MutexLock lock(mutex_);
  rules_.insert(rules_.end(), parsed.begin(), parsed.end());
}

void FaultRules::clear() {
  const base::MutexLock lock(mutex_);
  rules_.clear();
}

json FaultRules::list() const {
  const base::MutexLock lock(mutex_);
  json rules = json::array();
  for (const FaultRule& rule : rules_) {
    rules.push_back({{"action", rule.action}, {"seen", rule.seen}, {"hits", rule.hits}});
  }
  return rules;
}

std::optional<json> FaultRules::take(const std::string& origin, const Request& request) {
  const base::MutexLock lock(mutex_);
  for (FaultRule& rule : rules_) {
    const bool used_up = rule.times >= 0 && rule.hits >= static_cast<std::uint64_t>(rule.times);
    if (used_up || !rule.matches(origin, request)) continue;
    if (rule.seen++ < rule.after) continue;
    ++rule.hits;
    return rule.action;
  }
  return std::nullopt;
}

void apply_to_request(const json& action, Request& request) {
  if (flag(action, "ignore_range")) request.headers.remove("Range");
  if (const auto etag = member<std::string>(action, "etag")) {
    // The file has this ETag now: a range of another version is answered with the whole.
    const std::string* if_range = request.headers.find("If-Range");
    if (if_range != nullptr && *if_range != *etag) request.headers.remove("Range");
    request.headers.remove("If-Range");
  }
}

void apply_to_response(const json& action, const Request& request, Response& response) {
  apply_to_head(action, request, response);
  apply_to_range(action, response);
  apply_headers(action, response);
  apply_to_wire(action, response);
}

}  // namespace castool::hub
