// Row 16 of the fault catalogue: a connection that still moves, but hardly. Pure.
//
// It is held against the others of the same download, and never against a fixed rate: a slow link
// is slow on every connection, and the only connection is never slow.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <vector>

namespace castool::fetch {

// How long a connection is watched before it is judged.
inline constexpr std::chrono::seconds kLaggardWindow{60};

// Whether a connection at `rate` is worth replacing, given what its peers did: a tenth of their
// median or less.
[[nodiscard]] bool is_laggard(double rate, std::vector<double> peers);

// The rates of the last transfers that ended; they stand in for peers when the end of a blob is
// held up by one connection.
class RecentRates {
 public:
  static constexpr std::size_t kMost = 16;

  void add(double rate) {
    rates_.push_back(rate);
    if (rates_.size() > kMost) rates_.pop_front();
  }
  [[nodiscard]] std::vector<double> all() const { return {rates_.begin(), rates_.end()}; }

 private:
  std::deque<double> rates_;
};

}  // namespace castool::fetch
