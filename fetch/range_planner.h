// How much to ask for in one request. Pure.
#pragma once

#include <cstdint>

namespace castool::fetch {

// 8 MiB fill a long fat link over kept-alive connections (docs/performance.md); below 1 MiB the
// round trip of each request costs more than a straggler does.
inline constexpr std::uint64_t kLargestRange = std::uint64_t{8} << 20;
inline constexpr std::uint64_t kSmallestRange = std::uint64_t{1} << 20;

// The length of the next range, when about `remaining` bytes are still to be asked for and
// `connections` ask at once. Near the end ranges shrink, so that the last ones end together instead
// of one connection finishing a large range alone. The sink rounds to its chunks.
[[nodiscard]] std::uint64_t plan_range(std::uint64_t remaining, int connections);

}  // namespace castool::fetch
