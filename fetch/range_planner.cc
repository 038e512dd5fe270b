#include "fetch/range_planner.h"

#include <algorithm>

namespace castool::fetch {

std::uint64_t plan_range(std::uint64_t remaining, int connections) {
  const auto workers = static_cast<std::uint64_t>(std::max(connections, 1));
  return std::clamp(remaining / (2 * workers), kSmallestRange, kLargestRange);
}

}  // namespace castool::fetch
