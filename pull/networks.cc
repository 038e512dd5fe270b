#include "pull/networks.h"

#include "manifest/name_rules.h"

namespace castool::pull {
namespace {

class PublicOnly final : public fetch::Transport {
 public:
  explicit PublicOnly(fetch::Transport& transport) : transport_(transport) {}
  fetch::TransferId start(fetch::HttpRequest request,
                          std::shared_ptr<fetch::ResponseListener> listener) override {
    request.reach = fetch::Reach::kPublicOnly;
    return transport_.start(std::move(request), std::move(listener));
  }
  void cancel(fetch::TransferId id) override { transport_.cancel(id); }
  void resume(fetch::TransferId id) override { transport_.resume(id); }

 private:
  fetch::Transport& transport_;
};

}  // namespace

Network::Network(fetch::Transport& transport, const fetch::DownloadLimits& limits,
                 base::Clock& clock, base::Log& log)
    : backoff(std::make_shared<fetch::HostBackoff>()),
      budget(std::make_shared<fetch::TransferBudget>(limits.connections, limits.bytes_per_second,
                                                     clock)),
      http(transport, clock, log, backoff, budget, limits.timeout),
      downloader(transport, limits, clock, log, backoff, budget) {}

fetch::Reach reach_of(const manifest::Source& source, const Origins& origins,
                      const std::set<std::string>& chosen_hosts) {
  static const Origins defaults;
  const bool own_hub = origins.hub_endpoint != defaults.hub_endpoint;
  bool chosen = own_hub;
  if (const auto* ollama = std::get_if<manifest::OllamaSource>(&source)) {
    const bool of_hub = ollama->host == "hf.co" || ollama->host == "huggingface.co";
    chosen = of_hub ? own_hub : chosen_hosts.contains(ollama->host);
    if (ollama->host == manifest::kDefaultHost) {
      chosen = origins.ollama_registry != defaults.ollama_registry;
    }
  }
  return chosen ? fetch::Reach::kAnywhere : fetch::Reach::kPublicOnly;
}

base::Result<Network*> Networks::of(const std::string& origin, fetch::Reach reach) {
  const std::string endpoint = origin.substr(0, origin.find(' '));
  const base::MutexLock lock(mutex_);
  if (!transport_) {
    CASTOOL_ASSIGN(transport_, make_());
  }
  if (!narrowed_) narrowed_ = std::make_unique<PublicOnly>(*transport_);
  auto& network = networks_[{endpoint, reach}];
  fetch::Transport& transport = reach == fetch::Reach::kPublicOnly ? *narrowed_ : *transport_;
  if (!network) network = std::make_unique<Network>(transport, limits_, clock_, log_);
  return network.get();
}

}  // namespace castool::pull
