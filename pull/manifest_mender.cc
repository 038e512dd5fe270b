#include "pull/manifest_mender.h"

#include "pull/waiting.h"

namespace castool::pull {
namespace {

class NoEvents final : public PullEvents {
 public:
  void on_status(const std::string&) override {}
  void on_progress(const std::string&, const std::string&, std::uint64_t, std::uint64_t) override {}
};

}  // namespace

base::Result<std::uint64_t> fetch_manifest(cas::Store& store, Networks& networks,
                                           const Origins& origins, const Wanted& wanted,
                                           base::Log& log, const std::stop_token& stop) {
  PullRequest request;
  CASTOOL_ASSIGN(request.source, manifest::parse_source(wanted.source));
  if (auto* hub = std::get_if<manifest::HubSource>(&request.source)) {
    hub->revision = wanted.home.revision;
  }
  request.name = std::nullopt;
  request.naming = Naming::kLeave;
  request.extent = Extent::kLazy;
  if (wanted.home.origin.starts_with("http://")) request.plain_http = PlainHttp::kAllow;
  CASTOOL_ASSIGN(cas::RefStore refs, cas::RefStore::open(store, wanted.ns));
  CASTOOL_ASSIGN(Network* const network, networks.of(wanted.home.origin));
  NoEvents events;
  const PullContext context = {store,         refs, network->http, network->downloader, origins,
                               store.clock(), log};
  CASTOOL_ASSIGN(const PullOutcome outcome, pull(context, request, events, stop));
  if (outcome.manifest == wanted.home.manifest) return outcome.bytes_fetched;
  return base::make_error(base::Code::kNotFound,
                          "the origin has another manifest by now: " + outcome.manifest.text(),
                          "pull the model again");
}

}  // namespace castool::pull
