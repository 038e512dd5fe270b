// Questions to a server of this machine that listens on a Unix socket: the API of another castool.
//
// Blocking, one request at a time, no proxy, no redirect, no retry.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::fetch {

struct SocketQuestion {
  std::string socket;  // path
  std::string target;  // "/api/tags"
  std::string body;    // JSON for a POST; empty: GET
};

// The status of the answer; its body goes to `sink` as it comes. kUnavailable when nobody answers
// or the answer breaks off, kCancelled when `stop` was requested.
[[nodiscard]] base::Result<int> ask_socket(const SocketQuestion& question,
                                           const std::function<void(std::string_view)>& sink,
                                           const std::stop_token& stop);

}  // namespace castool::fetch
