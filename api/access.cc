#include "api/access.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace castool::api {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "host[:port]" or "[v6][:port]" without port and brackets; nullopt for anything else.
std::optional<std::string> bare_host(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return std::nullopt;
    return lower(text.substr(1, end - 1));
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && !is_port(text.substr(colon + 1))) return std::nullopt;
  return lower(text.substr(0, colon));
}

bool is_loopback_name(std::string_view host) {
  constexpr std::array<std::string_view, 3> kLoopback = {"localhost", "127.0.0.1", "::1"};
  return std::find(kLoopback.begin(), kLoopback.end(), host) != kLoopback.end();
}

bool is_numeric(const std::string& host) {
  in6_addr address;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool is_json(const std::optional<std::string>& content_type) {
  if (!content_type) return false;
  std::string_view type = std::string_view(*content_type).substr(0, content_type->find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return lower(type) == "application/json";
}

bool has_token(const AccessRules& rules, const Request& request) {
  constexpr std::string_view kScheme = "bearer ";
  if (!request.authorization || request.authorization->size() < kScheme.size()) return false;
  const std::string_view given = *request.authorization;
  if (lower(given.substr(0, kScheme.size())) != kScheme) return false;
  return same_secret(given.substr(kScheme.size()), rules.token);
}

}  // namespace

bool is_own_host(const AccessRules& rules, std::string_view text) {
  const auto host = bare_host(text);
  if (!host) return false;
  if (is_loopback_name(*host) || *host == rules.listen_host) return true;
  const bool elsewhere = !rules.listen_host.starts_with("127.") && rules.listen_host != "::1";
  if (elsewhere && !rules.machine.empty() && *host == lower(rules.machine)) return true;
  const bool everywhere = rules.listen_host == "0.0.0.0" || rules.listen_host == "::";
  return everywhere && is_numeric(*host);
}

bool is_own_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!origin.starts_with(scheme)) continue;
    const auto host = bare_host(origin.substr(scheme.size()));
    return host && is_loopback_name(*host);
  }
  return false;
}

bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char different = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    different = static_cast<unsigned char>(different | (a[i] ^ b[i]));
  }
  return different == 0;
}

std::optional<Reply> refuse(const AccessRules& rules, const Request& request) {
  if (request.arrival == Arrival::kTcp && (!request.host || !is_own_host(rules, *request.host))) {
    return error_reply(403, "this Host is not served here");
  }
  if (request.origin) {
    if (!is_own_origin(*request.origin)) return error_reply(403, "this Origin may not ask here");
    const bool changes =
        request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS";
    if (changes && !is_json(request.content_type)) {
      return error_reply(415, "a request with an Origin has to be application/json");
    }
  }
  const bool open = rules.token.empty() || request.path == "/healthz" ||
                    (request.method == "OPTIONS" && request.origin);
  if (open || has_token(rules, request)) return std::nullopt;
  Reply reply = error_reply(401, "unauthorized");
  reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

Headers cors_headers(const Request& request) {
  if (!request.origin || !is_own_origin(*request.origin)) return {};
  return {{"Access-Control-Allow-Origin", *request.origin}, {"Vary", "Origin"}};
}

}  // namespace castool::api
