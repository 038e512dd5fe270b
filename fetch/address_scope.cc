#include "fetch/address_scope.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace castool::fetch {
namespace {

using V6 = std::array<std::uint8_t, 16>;

struct V4Block {
  std::uint32_t network;
  int prefix;
  AddressScope scope;
};

// IANA special-purpose registry (RFC 6890 and successors): what is not globally reachable.
constexpr std::array kV4Blocks = {
    V4Block{0x7f000000, 8, AddressScope::kLoopback},
    V4Block{0xa9fe0000, 16, AddressScope::kLinkLocal},
    V4Block{0x00000000, 8, AddressScope::kPrivate},   // "this network": reaches localhost on Linux
    V4Block{0x0a000000, 8, AddressScope::kPrivate},   // RFC 1918
    V4Block{0xac100000, 12, AddressScope::kPrivate},  // RFC 1918
    V4Block{0xc0a80000, 16, AddressScope::kPrivate},  // RFC 1918
    V4Block{0x64400000, 10, AddressScope::kPrivate},  // carrier-grade NAT
    V4Block{0xc0000000, 24, AddressScope::kPrivate},  // IETF protocol assignments
    V4Block{0xc0000200, 24, AddressScope::kPrivate},  // documentation
    V4Block{0xc6120000, 15, AddressScope::kPrivate},  // benchmarking
    V4Block{0xc6336400, 24, AddressScope::kPrivate},  // documentation
    V4Block{0xcb007100, 24, AddressScope::kPrivate},  // documentation
    V4Block{0xe0000000, 3, AddressScope::kPrivate},   // multicast, reserved, broadcast
};

AddressScope scope_of_v4(std::uint32_t address) {
  for (const V4Block& block : kV4Blocks) {
    if ((address ^ block.network) >> (32 - block.prefix) == 0) return block.scope;
  }
  return AddressScope::kPublic;
}

std::uint32_t v4_at(const V6& bytes, std::size_t offset) {
  return std::uint32_t{bytes[offset]} << 24 | std::uint32_t{bytes[offset + 1]} << 16 |
         std::uint32_t{bytes[offset + 2]} << 8 | std::uint32_t{bytes[offset + 3]};
}

template <std::size_t N>
bool starts_with(const V6& bytes, const std::array<std::uint8_t, N>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

AddressScope scope_of_v6(const V6& bytes) {
  constexpr std::array<std::uint8_t, 15> kLoopbackPrefix{};
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<std::uint8_t, 12> kCompatible{};
  constexpr std::array<std::uint8_t, 12> kNat64{0, 0x64, 0xff, 0x9b};
  constexpr std::array<std::uint8_t, 2> kSixToFour{0x20, 0x02};
  constexpr std::array<std::uint8_t, 4> kTeredo{0x20, 0x01, 0, 0};
  constexpr std::array<std::uint8_t, 4> kDocumentation{0x20, 0x01, 0x0d, 0xb8};
  if (starts_with(bytes, kLoopbackPrefix) && bytes[15] == 1) return AddressScope::kLoopback;
  if (starts_with(bytes, kMapped) || starts_with(bytes, kCompatible) ||
      starts_with(bytes, kNat64)) {
    return scope_of_v4(v4_at(bytes, 12));
  }
  if (starts_with(bytes, kSixToFour)) return scope_of_v4(v4_at(bytes, 2));
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return AddressScope::kLinkLocal;
  // Global unicast is 2000::/3 and nothing else is.
  if ((bytes[0] & 0xe0) != 0x20 || starts_with(bytes, kTeredo) ||
      starts_with(bytes, kDocumentation)) {
    return AddressScope::kPrivate;
  }
  return AddressScope::kPublic;
}

std::optional<AddressScope> parse_numeric(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  const std::string plain(text.substr(0, text.find('%')));
  in_addr v4{};
  if (inet_pton(AF_INET, plain.c_str(), &v4) == 1) return scope_of_v4(ntohl(v4.s_addr));
  V6 v6{};
  if (inet_pton(AF_INET6, plain.c_str(), v6.data()) == 1) return scope_of_v6(v6);
  return std::nullopt;
}

bool ends_with_label(std::string_view host, std::string_view label) {
  return host == label || (host.size() > label.size() && host.ends_with(label) &&
                           host[host.size() - label.size() - 1] == '.');
}

}  // namespace

AddressScope scope_of_address(std::string_view numeric) {
  return parse_numeric(numeric).value_or(AddressScope::kPrivate);
}

AddressScope scope_of_host(std::string_view host) {
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  if (const auto scope = parse_numeric(host)) return *scope;
  std::string name(host);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  // getaddrinfo(3) reads what inet_aton(3) reads, so "0x7f.1" and "2130706433" are addresses too.
  in_addr v4{};
  if (inet_aton(name.c_str(), &v4) != 0) return scope_of_v4(ntohl(v4.s_addr));
  if (ends_with_label(name, "localhost")) return AddressScope::kLoopback;
  if (name.find('.') == std::string::npos) return AddressScope::kPrivate;
  for (const std::string_view label : {"local", "internal", "localdomain", "home.arpa", "lan"}) {
    if (ends_with_label(name, label)) return AddressScope::kPrivate;
  }
  return AddressScope::kPublic;
}

}  // namespace castool::fetch
