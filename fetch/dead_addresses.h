// Addresses where lately nobody answered, so that a name with several of them costs that wait once.
//
// libcurl tries a name's addresses in order and anew for each connection: half of the time to
// connect goes to a first one that is silent, every time, and libcurl 7.88 then leaves the next one
// none of it. Owned by the transport's loop thread.
#pragma once

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"

namespace castool::fetch {

struct PeerAddress {
  int family = 0;       // AF_INET, AF_INET6
  std::string numeric;  // address and port, as one text
};

// How an attempt to connect ended.
enum class ConnectOutcome { kConnected, kTimedOut, kOther };

// Which of the addresses that were tried, in that order, nobody answered at. Families are tried
// beside each other, the addresses of one after each other; `connected` is the one that answered.
[[nodiscard]] std::vector<std::string> unanswered(std::span<const PeerAddress> tried,
                                                  ConnectOutcome outcome,
                                                  const PeerAddress& connected);

class DeadAddresses {
 public:
  static constexpr std::chrono::seconds kRemembered{60};

  explicit DeadAddresses(base::Clock& clock) : clock_(clock) {}

  void add(const std::string& address);
  void forget(const std::string& address) { until_.erase(address); }
  [[nodiscard]] bool contains(const std::string& address);

 private:
  base::Clock& clock_;
  std::map<std::string, base::Clock::Monotonic> until_;
};

}  // namespace castool::fetch
