#include "fetch/laggard.h"

#include <algorithm>

namespace castool::fetch {
namespace {

constexpr double kHardly = 0.1;

}  // namespace

bool is_laggard(double rate, std::vector<double> peers) {
  if (peers.empty()) return false;
  // Of an even number the lower one: in doubt nothing is cut off.
  const auto middle = peers.begin() + static_cast<std::ptrdiff_t>((peers.size() - 1) / 2);
  std::nth_element(peers.begin(), middle, peers.end());
  return rate <= kHardly * *middle && rate < *middle;
}

}  // namespace castool::fetch
