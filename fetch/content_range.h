// The Content-Range header of a partial response (RFC 9110 §14.4). Pure, over untrusted text.
//
//   content-range = "bytes" SP first "-" last "/" ( total | "*" )      decimal, last inclusive
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/byte_range.h"

namespace castool::fetch {

struct ContentRange {
  base::ByteRange range;
  std::optional<std::uint64_t> total;  // absent for "*"
};

// nullopt for anything else: other units, empty or backward ranges, numbers past 64 bits, a range
// past its own total.
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view value);

}  // namespace castool::fetch
