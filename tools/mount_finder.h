// The other side of a mount's seam for models that are looked for: pulled lazily from their origin
// (mount --on-demand).
#pragma once

#include <set>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "fusefs/waiting_lookups.h"
#include "pull/networks.h"
#include "pull/on_demand_pulls.h"
#include "pull/puller.h"

namespace castool::tools {

// Safe from any thread. Everything given to it outlives it, and it the mount. Nothing of the
// network is begun before somebody looks for a model.
class MountFinder final : public fusefs::ModelFinder {
 public:
  MountFinder(cas::Store& store, cas::RefStore& refs, const pull::Origins& origins,
              std::set<std::string> chosen_hosts, pull::Networks::MakeTransport make,
              const fetch::DownloadLimits& limits, base::Clock& clock, base::Log& log);

  void find(const manifest::Source& source, Done done) override;

 private:
  [[nodiscard]] base::Status pull(const manifest::Source& source, std::stop_token stop);

  cas::Store& store_;
  cas::RefStore& refs_;
  const pull::Origins& origins_;
  base::Clock& clock_;
  base::Log& log_;
  const std::set<std::string> chosen_hosts_;  // that --on-demand names in full
  pull::Networks networks_;
  pull::OnDemandPulls pulls_;  // uses what is above
};

}  // namespace castool::tools
