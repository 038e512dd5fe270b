// HTTP/1.1 messages of the test hub: what was asked, and what is to be sent, down to the wire.
//
// The hub writes its own bytes to the socket, because most of what it is for (a body shorter than
// its Content-Length, a reset in the middle, a header twice) is exactly what a server library
// prevents. Plain values; no thread rule.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_range.h"
#include "tests/support/hub/content.h"

namespace castool::hub {

// In the order sent; names may repeat; lookups ignore case.
class Headers {
 public:
  void add(std::string name, std::string value);
  // Replaces every value of `name`.
  void set(std::string name, std::string value);
  void remove(std::string_view name);
  [[nodiscard]] const std::string* find(std::string_view name) const;
  // The value, or empty.
  [[nodiscard]] std::string get(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const {
    return fields_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;
  std::string target;  // as on the wire
  std::string path;    // the target up to '?', still percent-encoded
  std::string query;   // after '?', still percent-encoded
  Headers headers;
  std::string body;
  bool reused = false;  // not the first request of its connection

  [[nodiscard]] bool is_head() const { return method == "HEAD"; }
  // The decoded value of one query parameter, or nothing.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
  // The text after "Bearer ", or empty.
  [[nodiscard]] std::string bearer() const;
};

// How the bytes of a response go out; everything off means: as HTTP says.
struct Wire {
  enum class End { kKeepAlive, kClose, kReset };

  std::chrono::milliseconds delay{0};         // before the first byte
  std::chrono::milliseconds header_pause{0};  // between single bytes of the head
  std::string before;                         // sent before the status line
  std::optional<std::string> raw;             // instead of everything else
  bool nothing = false;                       // not one byte

  enum class Framing { kLength, kNone, kChunked, kChunkedWithoutEnd };
  Framing framing = Framing::kLength;
  std::optional<std::int64_t> declared_length;  // Content-Length that is told

  std::optional<std::uint64_t> cut_after;    // body bytes, then `end`
  std::optional<std::uint64_t> stall_after;  // body bytes, then a pause of `stall`
  std::chrono::milliseconds stall{0};
  std::uint64_t piece = 0;  // body bytes sent at once, then a pause of `piece_pause`; 0: no pieces
  std::chrono::milliseconds piece_pause{0};
  std::uint64_t bytes_per_second = 0;  // 0: no limit

  std::uint64_t extra_bytes = 0;       // sent after the body
  std::vector<std::uint64_t> flip_at;  // offsets in the content whose lowest bit is turned
  bool garble = false;                 // every body byte is wrong

  End end = End::kKeepAlive;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;                        // used when there is no content
  std::shared_ptr<const Content> content;  // a body that is read while it is sent
  base::ByteRange range;                   // which bytes of the content
  Wire wire;

  [[nodiscard]] std::uint64_t body_size() const { return content ? range.length : body.size(); }

  [[nodiscard]] static Response text(int status, std::string body);
  [[nodiscard]] static Response json(int status, std::string body);
  [[nodiscard]] static Response redirect(int status, std::string location);
  // 200, 206, 304, 412 or 416 for `content`, as Range, If-Range, If-Match and If-None-Match ask;
  // `etag` with its quotes. A malformed Range or one with several parts gets the whole.
  [[nodiscard]] static Response serve(const Request& request,
                                      std::shared_ptr<const Content> content,
                                      const std::string& etag, const std::string& content_type);
};

struct RangeRequest {
  enum class Kind { kNone, kSatisfiable, kUnsatisfiable };
  Kind kind = Kind::kNone;
  base::ByteRange range;
};
// "bytes=a-b", "bytes=a-" or "bytes=-n" against a content of `size` bytes (RFC 9110 section 14).
[[nodiscard]] RangeRequest parse_range(std::string_view header, std::uint64_t size);
[[nodiscard]] std::string content_range(const base::ByteRange& range, std::uint64_t size);

[[nodiscard]] std::string_view reason(int status);
// %XX undone; text with a bad escape comes back unchanged. '+' stays '+'.
[[nodiscard]] std::string percent_decode(std::string_view text);
// Everything but A-Z a-z 0-9 - . _ ~ and the characters of `keep` becomes %XX.
[[nodiscard]] std::string percent_encode(std::string_view text, std::string_view keep = "");
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
// "Wed, 21 Nov 2026 03:00:00 GMT", the form of RFC 9110 section 5.6.7.
[[nodiscard]] std::string http_date(std::chrono::system_clock::time_point when);

}  // namespace castool::hub
