#include "tools/api_service.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <utility>

#include "tools/credentials.h"
#include "tools/network_options.h"
#include "tools/remote_commands.h"
#include "tools/version.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

std::string machine_name() {
  std::array<char, 256> name = {};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

struct Doors {
  std::vector<api::Listener> listeners;
  api::AccessRules access;
  std::string where;
};

Result<Doors> open_doors(const ListenArguments& arguments, CommandContext& context) {
  Doors doors;
  if (arguments.auth_token_file) {
    CASTOOL_ASSIGN(doors.access.token, load_api_token(*arguments.auth_token_file, context.log));
  }
  if (arguments.address) {
    CASTOOL_ASSIGN(auto listener, api::Listener::tcp(*arguments.address));
    doors.access.listen_host = arguments.address->host;
    doors.access.machine = machine_name();
    if (!api::is_loopback(*arguments.address) && doors.access.token.empty()) {
      context.log.warn(
          "{}: anybody who can reach this address can pull and remove models; "
          "--auth-token-file asks for a token",
          listener.text());
    }
    doors.where = listener.text();
    doors.listeners.push_back(std::move(listener));
  }
  if (arguments.socket_path) {
    CASTOOL_ASSIGN(
        auto listener,
        api::Listener::unix_socket(*arguments.socket_path, arguments.socket_access, context.files));
    doors.where += (doors.where.empty() ? "" : " and ") + listener.text();
    doors.listeners.push_back(std::move(listener));
  }
  return doors;
}

}  // namespace

ApiService::ApiService(const ListenArguments& arguments, CommandContext& context, cas::Store& store,
                       cas::RefStore& refs, const pull::Origins& origins)
    : store_(store),
      refs_(refs),
      origins_(origins),
      log_(context.log),
      served_(context, store, refs, origins,
              {arguments.allowed_registries.begin(), arguments.allowed_registries.end()}),
      catalog_(store, refs, context.log),
      pulls_([this](const pull::PullRequest& request, pull::PullEvents& events,
                    std::stop_token stop) { return pull(request, events, std::move(stop)); },
             [this](const Result<pull::PullOutcome>& outcome) { metrics_.pull_ended(outcome); }) {
  metrics_.add({api::Gauge::Kind::kGauge,
                "castool_pulls_running",
                {},
                "Pulls under way for callers of the API.",
                [this] { return pulls_.running(); }});
}

Result<std::unique_ptr<ApiService>> ApiService::start(const ListenArguments& arguments,
                                                      ForOthers for_others, CommandContext& context,
                                                      cas::Store& store, cas::RefStore& refs,
                                                      const pull::Origins& origins,
                                                      const Beside& beside) {
  CASTOOL_ASSIGN(Doors doors, open_doors(arguments, context));
  std::unique_ptr<ApiService> service(new ApiService(arguments, context, store, refs, origins));
  api::RouteSettings settings;
  settings.access = std::move(doors.access);
  settings.registries.allowed.insert(arguments.allowed_registries.begin(),
                                     arguments.allowed_registries.end());
  settings.version = version_number();
  settings.store = store.root();
  settings.run_command = [&context](const std::string& body) {
    return run_for_caller(body, context);
  };
  if (for_others == ForOthers::kYes) {
    service->be_origin(settings.registries, context);
  }
  service->count(beside);
  service->routes_ = std::make_unique<api::Routes>(
      std::move(settings), service->catalog_, service->pulls_, service->metrics_,
      service->origin_ ? &*service->origin_ : nullptr, context.log);
  service->where_ = doors.where;
  CASTOOL_ASSIGN(service->server_,
                 api::Server::start(
                     std::move(doors.listeners),
                     [routes = service->routes_.get()](const api::Request& request) {
                       return routes->handle(request);
                     },
                     context.clock, context.log));
  return service;
}

void ApiService::count(const Beside& beside) {
  using Kind = api::Gauge::Kind;
  const auto counter = [this](const char* name, const char* labels, const char* help,
                              const std::atomic<std::uint64_t>& count) {
    metrics_.add({Kind::kCounter, name, labels, help, [&count] { return count.load(); }});
  };
  if (beside.opens != nullptr) {
    constexpr const char* kOpens = "castool_mount_opens_total";
    counter(kOpens, R"(way="passthrough")", "Files opened in the mount, by the way they are read.",
            beside.opens->native);
    counter(kOpens, R"(way="cache")", "", beside.opens->cached);
    counter(kOpens, R"(way="fetching")", "", beside.opens->filling);
    counter("castool_mount_open_errors_total", "", "Files of the mount that could not be opened.",
            beside.opens->failed);
  }
  if (beside.gc == nullptr) return;
  counter("castool_gc_runs_total", "", "Times that --max-size made gc remove something.",
          beside.gc->runs);
  counter("castool_gc_removed_models_total", "", "Models that gc removed.",
          beside.gc->removed_refs);
  counter("castool_gc_removed_blobs_total", "", "Blobs that gc removed.", beside.gc->removed_blobs);
  counter("castool_gc_freed_bytes_total", "", "Bytes that gc gave back.", beside.gc->freed_bytes);
}

void ApiService::be_origin(const api::Registries& registries, CommandContext& context) {
  if (!origins_.offline) {
    blobs_.emplace(store_, refs_, origins_, transport_maker(context), download_limits(context),
                   pull::LazyOptions{}, context.clock, log_);
    brought_.emplace([this](const manifest::Source& source,
                            std::stop_token stop) { return bring(source, std::move(stop)); },
                     context.clock);
    through_.emplace(registries, *brought_, *blobs_, log_);
  }
  origin_.emplace(store_, catalog_, through_ ? &*through_ : nullptr, log_);
}

ApiService::~ApiService() {
  pulls_.stop();  // before the server waits for those who watch
  if (server_ != nullptr) server_->drain();
}

Result<pull::PullOutcome> ApiService::pull(const pull::PullRequest& request,
                                           pull::PullEvents& events, std::stop_token stop) {
  auto outcome = served_.pull(request, events, std::move(stop));
  const std::string what = manifest::source_text(request.source);
  if (outcome) {
    log_.info("{}: pulled for a caller of the API, {} bytes fetched", what, outcome->bytes_fetched);
  } else {
    log_.warn("{}: pulled for a caller of the API: {}", what, outcome.error().text());
  }
  return outcome;
}

Status ApiService::bring(const manifest::Source& source, std::stop_token stop) {
  const auto outcome = served_.pull_lazily(source, std::move(stop));
  metrics_.pull_ended(outcome);
  const std::string what = manifest::source_text(source);
  if (outcome) log_.info("{}: brought here for another host", what);
  if (!outcome) log_.info("{}: asked for by another host: {}", what, outcome.error().text());
  return outcome ? base::ok() : Status(outcome.error());
}

}  // namespace castool::tools
