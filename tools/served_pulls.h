// Pulls that others ask of a process that goes on: callers of the API, other hosts, whoever looks
// for a model in a mount. Connections are kept between pulls, and go only where somebody else may
// send us (pull::reach_of).
//
// Thread rule: safe from any thread. Everything given outlives it, and it the pulls.
#pragma once

#include <set>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "manifest/source.h"
#include "pull/networks.h"
#include "pull/puller.h"
#include "tools/command_context.h"

namespace castool::tools {

class ServedPulls {
 public:
  // `chosen_hosts` are those that whoever started us named in full.
  ServedPulls(const CommandContext& context, cas::Store& store, cas::RefStore& refs,
              const pull::Origins& origins, std::set<std::string> chosen_hosts);

  // These block; errors are pull::pull()'s.
  [[nodiscard]] base::Result<pull::PullOutcome> pull(const pull::PullRequest& request,
                                                     pull::PullEvents& events,
                                                     std::stop_token stop);
  // Of a model that somebody looked for: its ref, the large blobs left to their readers.
  [[nodiscard]] base::Result<pull::PullOutcome> pull_lazily(const manifest::Source& source,
                                                            std::stop_token stop);

 private:
  cas::Store& store_;
  cas::RefStore& refs_;
  const pull::Origins& origins_;
  base::Clock& clock_;
  base::Log& log_;
  const std::set<std::string> chosen_hosts_;
  pull::Networks networks_;
};

}  // namespace castool::tools
