#include "pull/networks.h"

namespace castool::pull {

Network::Network(fetch::Transport& transport, const fetch::DownloadLimits& limits,
                 base::Clock& clock, base::Log& log)
    : backoff(std::make_shared<fetch::HostBackoff>()),
      budget(std::make_shared<fetch::TransferBudget>(limits.connections, limits.bytes_per_second,
                                                     clock)),
      http(transport, clock, log, backoff, budget, limits.timeout),
      downloader(transport, limits, clock, log, backoff, budget) {}

Network& Networks::of(const std::string& origin) {
  const std::string endpoint = origin.substr(0, origin.find(' '));
  const base::MutexLock lock(mutex_);
  if (!transport_) transport_ = make_();
  auto& network = networks_[endpoint];
  if (!network) network = std::make_unique<Network>(*transport_, limits_, clock_, log_);
  return *network;
}

}  // namespace castool::pull
