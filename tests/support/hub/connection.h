// One accepted connection: reads requests, writes responses exactly as their Wire says.
//
// Used by one thread. Every wait ends when the stop descriptor becomes readable or the peer is
// gone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "tests/support/hub/http.h"

namespace castool::hub {

class Connection {
 public:
  // `stop_fd` stays the caller's and becomes readable once, to end everything.
  Connection(base::UniqueFd socket, int stop_fd) : socket_(std::move(socket)), stop_fd_(stop_fd) {}

  // The next request; nothing when the peer closed, sent something that is not HTTP/1.1, or on
  // stop.
  [[nodiscard]] std::optional<Request> read_request();

  struct Sent {
    std::uint64_t body_bytes = 0;
    bool open = false;  // another request may follow
  };
  [[nodiscard]] Sent write_response(const Request& request, const Response& response);

 private:
  [[nodiscard]] bool receive_more();
  [[nodiscard]] bool send(std::string_view bytes);
  [[nodiscard]] bool send_head(const Request& request, const Response& response);
  // Body bytes that went out; sets `ok` to false when the connection ended before the last.
  [[nodiscard]] std::uint64_t send_body(const Response& response, bool& ok);
  // False if stopped, or the peer is gone.
  [[nodiscard]] bool pause(std::chrono::nanoseconds duration);
  void finish(Wire::End end);

  base::UniqueFd socket_;
  int stop_fd_;
  std::string buffer_;  // received, not yet read as a request
};

}  // namespace castool::hub
