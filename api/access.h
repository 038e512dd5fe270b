// Who may ask: which Host and Origin a request may carry, and the token. Pure.
//
// A web page can make its visitor's browser send requests to services on loopback, and by a name of
// its own that it makes resolve to loopback (DNS rebinding, CVE-2024-28224 of Ollama). Such
// requests carry an Origin, or a Host that is not ours.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/http.h"

namespace castool::api {

struct AccessRules {
  std::string listen_host;  // the address that is listened on, numeric, without brackets
  std::string machine;      // this machine's own name, or empty
  std::string token;        // empty: none is asked for
};

// The answer to a request that may not be served; nullopt: it may.
//
//   Host    over TCP exactly localhost, 127.0.0.1, [::1] or the address listened on, with any port;
//           where that is not loopback also this machine's name, and where it is every address any
//           numeric one: a name that was rebound is neither.
//           Over a Unix socket anything: no browser gets there.
//   Origin  none, or http(s)://localhost, 127.0.0.1 or [::1] with any port; then what has a body
//           has to be application/json, which browsers do not send to others unasked.
//   Bearer  the token, where there is one, for everything but GET /healthz.
[[nodiscard]] std::optional<Reply> refuse(const AccessRules& rules, const Request& request);

[[nodiscard]] bool is_own_host(const AccessRules& rules, std::string_view host);
[[nodiscard]] bool is_own_origin(std::string_view origin);
// Takes the same time for all texts of one length.
[[nodiscard]] bool same_secret(std::string_view a, std::string_view b);

// What an allowed Origin is told, so that its browser lets the page read the answer.
[[nodiscard]] Headers cors_headers(const Request& request);

}  // namespace castool::api
