// A request and its answer as values: what the routes know of HTTP. Only http_connection.cc knows
// the library that reads and writes them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace castool::api {

using Headers = std::vector<std::pair<std::string, std::string>>;

// How a request reached us: what it may say in Host depends on it.
enum class Arrival { kTcp, kUnixSocket };

struct Request {
  std::string method;
  std::string path;   // decoded, without the query
  std::string query;  // as it was sent, without '?'
  std::optional<std::string> host, origin, authorization, content_type, range;
  std::string body;
  Arrival arrival = Arrival::kTcp;
  // Whether whoever asked is gone or the server ends: asked from time to time by what takes long.
  std::function<bool()> gone = [] { return false; };
};

// A body that is made while it is sent.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // The next piece, waited for at most about a tenth of a second; empty: nothing new yet. nullopt:
  // that was all. Dropping the stream says that nobody reads it any more.
  [[nodiscard]] virtual std::optional<std::string> next() = 0;
};

// Bytes of an open file.
struct FilePart {
  std::shared_ptr<const base::UniqueFd> file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Reply {
  int status = 200;
  std::string content_type;  // empty: none is sent
  Headers headers;
  std::string body;
  // At most one of these, in place of `body`.
  std::unique_ptr<BodyStream> stream;
  std::optional<FilePart> file;
};

inline constexpr std::string_view kJson = "application/json; charset=utf-8";
inline constexpr std::string_view kNdjson = "application/x-ndjson";
inline constexpr std::string_view kText = "text/plain; charset=utf-8";

// {"error":text} with that status.
[[nodiscard]] Reply error_reply(int status, std::string_view text);
[[nodiscard]] Reply json_reply(std::string json);

// "a=b&c" by key, decoded; nullopt when it is not there.
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view key);
// %XX undone; what is no such escape stays.
[[nodiscard]] std::string percent_decode(std::string_view text);

}  // namespace castool::api
