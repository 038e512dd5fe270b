#include "tools/served_pulls.h"

#include <utility>
#include <variant>

#include "tools/network_options.h"
#include "tools/pull_reporter.h"

namespace castool::tools {
namespace {

// What shares connections.
std::string endpoint_of(const manifest::Source& source, const pull::Origins& origins) {
  if (std::holds_alternative<manifest::HubSource>(source)) return origins.hub_endpoint;
  return std::get<manifest::OllamaSource>(source).host;
}

}  // namespace

ServedPulls::ServedPulls(const CommandContext& context, cas::Store& store, cas::RefStore& refs,
                         const pull::Origins& origins, std::set<std::string> chosen_hosts)
    : store_(store),
      refs_(refs),
      origins_(origins),
      clock_(context.clock),
      log_(context.log),
      chosen_hosts_(std::move(chosen_hosts)),
      networks_(transport_maker(context), download_limits(context), context.clock, context.log) {}

base::Result<pull::PullOutcome> ServedPulls::pull(const pull::PullRequest& request,
                                                  pull::PullEvents& events, std::stop_token stop) {
  const fetch::Reach reach = pull::reach_of(request.source, origins_, chosen_hosts_);
  CASTOOL_ASSIGN(pull::Network* const network,
                 networks_.of(endpoint_of(request.source, origins_), reach));
  const pull::PullContext parts{store_,   refs_,  network->http, network->downloader,
                                origins_, clock_, log_};
  return pull::pull(parts, request, events, std::move(stop));
}

base::Result<pull::PullOutcome> ServedPulls::pull_lazily(const manifest::Source& source,
                                                         std::stop_token stop) {
  pull::PullRequest request;
  request.source = source;
  request.extent = pull::Extent::kLazy;
  request.asked = pull::Asked::kOnDemand;
  SilentReporter nobody;
  return pull(request, nobody, std::move(stop));
}

}  // namespace castool::tools
