// Faults that a test asks for: which requests they hit, and what they do to the answer.
//
// POST /_hub/faults takes a JSON list of rules and puts them behind those that are there. A request
// is hit by the first rule that matches it and is not used up.
//
//   {"match":  {"origin": "hub"|"cdn", "method": "GET", "target": part of the request target,
//               "glob": fnmatch pattern of the whole target, "ranged": bool,
//               "range_from": N (first byte asked >= N), "covers": N (byte N is asked for),
//               "range_over": N (more than N bytes are asked for),
//               "reused": bool (its connection has had a request before)},
//    "times":  how often, -1 for ever (default 1),   "after": K matching requests pass first,
//    "action": {...}}
//
// Every member of "match" may be missing. An action has one or more of
//   status N, headers {name: value} (replaced), add_headers [[name, value]...] (also if there),
//   remove_headers [name...], body TEXT, location TEXT (302 unless status says else),
//   redirect_loop true, etag TEXT, retry_after SECONDS, retry_after_date SECONDS from now;
//   ignore_range true (the whole, 200), content_range {start, end, total: what is added},
//   multipart true, shorten N (ask rest), declared_length N, length_delta N, extra_bytes N,
//   flip_at OFFSET or [OFFSET...] in the file (hits only requests for that byte, unless "covers"
//   says else), garble true, no_length true, chunked true, chunked_no_end true;
//   cut_after N (close after N body bytes), reset_after N (RST after N), close true and reset true
//   (no answer at all), close_after true (a whole answer, then an unannounced close),
//   stall_after N or stall_at OFFSET in the file (hits only requests for that byte, too) with
//   stall_ms T, trickle_bytes N with trickle_ms T, header_trickle_ms T,
//   delay_ms T, before TEXT (ahead of the status line), raw TEXT (the only thing sent);
//   expire_signatures true (every address signed so far; then the answer is made),
//   revoke_tokens true (every token of the registry so far; then the answer is made).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/mutex.h"
#include "tests/support/hub/http.h"

namespace castool::hub {

struct FaultRule {
  std::string origin;
  std::string method;
  std::string target;
  std::string glob;
  std::optional<bool> ranged;
  std::optional<std::uint64_t> range_from;
  std::optional<std::uint64_t> covers;
  std::optional<std::uint64_t> range_over;
  std::optional<bool> reused;
  std::int64_t times = 1;
  std::uint64_t after = 0;
  nlohmann::json action;

  std::uint64_t seen = 0;  // requests that matched
  std::uint64_t hits = 0;  // requests that were hit

  // Throws std::invalid_argument that names the member which is unknown or of the wrong type.
  [[nodiscard]] static FaultRule parse(const nlohmann::json& rule);
  [[nodiscard]] bool matches(const std::string& of_origin, const Request& request) const;
};

// The rules in force. Any thread.
class FaultRules {
 public:
  // All of the list, or none: throws std::invalid_argument.
  void add(const nlohmann::json& list);
  void clear();
  // [{"action": as given, "seen": N, "hits": N}...]
  [[nodiscard]] nlohmann::json list() const;
  // The action for this request, which counts as hit; nothing if no rule is for it.
  [[nodiscard]] std::optional<nlohmann::json> take(const std::string& origin,
                                                   const Request& request);

 private:
  mutable base::Mutex mutex_;
  std::vector<FaultRule> rules_ CASTOOL_GUARDED_BY(mutex_);
};

// What an action changes before the request is handled: ignore_range hides the Range, etag answers
// the If-Range.
void apply_to_request(const nlohmann::json& action, Request& request);
// What it changes in the finished response.
void apply_to_response(const nlohmann::json& action, const Request& request, Response& response);

}  // namespace castool::hub
