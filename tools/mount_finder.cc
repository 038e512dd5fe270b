#include "tools/mount_finder.h"

#include <utility>

#include "tools/origin_of.h"
#include "tools/pull_reporter.h"

namespace castool::tools {
MountFinder::MountFinder(cas::Store& store, cas::RefStore& refs, const pull::Origins& origins,
                         std::set<std::string> chosen_hosts, pull::Networks::MakeTransport make,
                         const fetch::DownloadLimits& limits, base::Clock& clock, base::Log& log)
    : store_(store),
      refs_(refs),
      origins_(origins),
      clock_(clock),
      log_(log),
      chosen_hosts_(std::move(chosen_hosts)),
      networks_(std::move(make), limits, clock, log),
      pulls_([this](const manifest::Source& source,
                    std::stop_token stop) { return pull(source, std::move(stop)); },
             clock) {}

void MountFinder::find(const manifest::Source& source, Done done) { pulls_.find(source, done); }

base::Status MountFinder::pull(const manifest::Source& source, std::stop_token stop) {
  pull::Network& network =
      networks_.of(endpoint_of(source, origins_), pull::reach_of(source, origins_, chosen_hosts_));
  const pull::PullContext parts{store_,   refs_,  network.http, network.downloader,
                                origins_, clock_, log_};
  pull::PullRequest request;
  request.source = source;
  request.extent = pull::Extent::kLazy;
  request.asked = pull::Asked::kOnDemand;
  SilentReporter nobody;
  const auto outcome = pull::pull(parts, request, nobody, std::move(stop));
  const std::string what = manifest::source_text(source);
  if (outcome) {
    log_.info("{}: brought here on demand", what);
    return base::ok();
  }
  log_.info("{}: looked for, and not brought here: {}", what, outcome.error().text());
  return outcome.error();
}

}  // namespace castool::tools
