#include "fetch/redirect_policy.h"

#include <algorithm>
#include <array>

#include "fetch/address_scope.h"

namespace castool::fetch {
namespace {

base::Error refused(const std::string& why, std::string_view url) {
  base::Error error = base::make_error(base::Code::kUnavailable, "redirect refused: " + why);
  error.url = redacted(url);
  return error;
}

// Public as far as we can tell: by the address we were connected to, else by the host's own text.
bool came_from_public(const Hop& from, const Origin& origin, const ResponseHead& head) {
  if (from.reach == Reach::kPublicOnly) return true;
  const AddressScope scope =
      head.peer_address.empty() ? scope_of_host(origin.host) : scope_of_address(head.peer_address);
  return scope == AddressScope::kPublic;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

}  // namespace

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

base::Result<Hop> next_hop(const Hop& from, const ResponseHead& head, int hops) {
  if (hops >= kMaxHops) return refused("more than 10 in a row", from.url);
  const auto locations = head.headers.all("Location");
  if (locations.empty() || locations.front().empty()) {
    return refused("status " + std::to_string(head.status) + " without a Location", from.url);
  }
  if (locations.size() > 1) return refused("several Locations", from.url);
  CASTOOL_ASSIGN(const Origin origin, origin_of(from.url));
  Hop next;
  auto joined = join_url(from.url, locations.front());
  if (!joined) return refused(joined.error().message, from.url);
  next.url = *std::move(joined);
  const auto target = origin_of(next.url);
  if (!target) return refused(target.error().message, next.url);
  if (origin.scheme == "https" && target->scheme != "https") {
    return refused("from https to plain http", next.url);
  }
  if (came_from_public(from, origin, head)) {
    if (scope_of_host(target->host) != AddressScope::kPublic) {
      return refused("from a public host to a private address", next.url);
    }
    next.reach = Reach::kPublicOnly;
  }
  return next;
}

Headers without_credentials(const Headers& headers) {
  // An allow-list, because a header that we do not know may be a credential.
  constexpr std::array<std::string_view, 7> kHarmless = {
      "accept",   "accept-language", "user-agent", "if-none-match", "if-modified-since",
      "if-range", "cache-control"};
  Headers kept;
  for (const auto& [name, value] : headers.fields()) {
    if (std::find(kHarmless.begin(), kHarmless.end(), lower(name)) != kHarmless.end()) {
      kept.add(name, value);
    }
  }
  return kept;
}

}  // namespace castool::fetch
