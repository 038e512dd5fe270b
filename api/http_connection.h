// One accepted connection: requests of HTTP/1.1 read, handled and answered until it ends.
//
// The one file that knows cpp-httplib, which parses and writes the messages. What that library
// leaves open is bounded here: how long and how big a request may be, and how long an answer may
// wait for its reader.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include "api/http.h"
#include "base/clock.h"

namespace castool::api {

struct ConnectionLimits {
  std::size_t head_bytes = 64u << 10;
  std::size_t body_bytes = 1u << 20;
  std::chrono::nanoseconds idle = std::chrono::seconds(15);     // before a request
  std::chrono::nanoseconds request = std::chrono::seconds(15);  // for all of a request
  std::chrono::nanoseconds write = std::chrono::seconds(60);    // without progress
};

// Whether the connection may wait for another request; asked before each.
enum class KeepAlive { kNo, kYes };

struct ConnectionContext {
  std::function<Reply(const Request&)> handle;
  std::function<KeepAlive()> keep_alive;
  Arrival arrival = Arrival::kTcp;
  int ending_fd = -1;  // readable once the server ends: idle connections end at once
  ConnectionLimits limits;
};

// Serves `socket`, which stays the caller's, on the calling thread until the connection is over.
void serve_connection(int socket, const ConnectionContext& context, const base::Clock& clock);

}  // namespace castool::api
