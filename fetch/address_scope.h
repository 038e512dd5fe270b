// Which network an address belongs to: the check behind refusing redirects into private networks.
// Pure functions.
#pragma once

#include <string_view>

namespace castool::fetch {

enum class AddressScope {
  kPublic,
  kPrivate,  // RFC 1918, unique local, carrier-grade NAT, and what no public host can have
  kLoopback,
  kLinkLocal,  // also where cloud metadata services listen
};

// A numeric address as getpeername(3) or a URL gives it: IPv4 dotted, IPv6 with or without brackets
// and zone. IPv4 inside IPv6 (mapped, compatible, NAT64, 6to4) counts as the IPv4 address. What is
// no numeric address is kPrivate: a check that cannot read its input refuses.
[[nodiscard]] AddressScope scope_of_address(std::string_view numeric);

// The host of a URL: literals as above and in every spelling of inet_aton(3) (octal, hex, short),
// "localhost" and names that only a local network has. Other names are kPublic as far as the text
// tells; where they lead is known when connected.
[[nodiscard]] AddressScope scope_of_host(std::string_view host);

}  // namespace castool::fetch
