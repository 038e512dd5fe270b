#include "fetch/dead_addresses.h"

#include <algorithm>

namespace castool::fetch {

std::vector<std::string> unanswered(std::span<const PeerAddress> tried, ConnectOutcome outcome,
                                    const PeerAddress& connected) {
  std::vector<std::string> dead;
  if (outcome == ConnectOutcome::kConnected) {
    const auto answered = std::find_if(tried.begin(), tried.end(), [&](const PeerAddress& each) {
      return each.numeric == connected.numeric;
    });
    if (answered == tried.end()) return dead;
    for (auto each = tried.begin(); each != answered; ++each) {
      if (each->family == connected.family) dead.push_back(each->numeric);
    }
  } else if (outcome == ConnectOutcome::kTimedOut) {
    // Those after the first of a family may have had no time.
    for (auto each = tried.begin(); each != tried.end(); ++each) {
      const bool first = std::none_of(tried.begin(), each, [&](const PeerAddress& earlier) {
        return earlier.family == each->family;
      });
      if (first) dead.push_back(each->numeric);
    }
  }
  return dead;
}

void DeadAddresses::add(const std::string& address) {
  std::erase_if(until_, [now = clock_.now()](const auto& each) { return each.second <= now; });
  until_[address] = clock_.now() + clock_.scaled(kRemembered);
}

bool DeadAddresses::contains(const std::string& address) {
  const auto place = until_.find(address);
  return place != until_.end() && clock_.now() < place->second;
}

}  // namespace castool::fetch
