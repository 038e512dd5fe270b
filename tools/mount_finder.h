// The other side of a mount's seam for models that are looked for: pulled lazily from their origin
// (mount --on-demand).
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "fusefs/waiting_lookups.h"
#include "pull/on_demand_pulls.h"
#include "tools/served_pulls.h"

namespace castool::tools {

// Safe from any thread. Everything given to it outlives it, and it the mount. Nothing of the
// network is begun before somebody looks for a model.
class MountFinder final : public fusefs::ModelFinder {
 public:
  MountFinder(ServedPulls& pulls, base::Clock& clock, base::Log& log);

  void find(const manifest::Source& source, Done done) override;

 private:
  [[nodiscard]] base::Status bring(const manifest::Source& source, std::stop_token stop);

  ServedPulls& pulls_;
  base::Log& log_;
  pull::OnDemandPulls brought_;  // uses what is above
};

}  // namespace castool::tools
