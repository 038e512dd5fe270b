// The HTTP API over one namespace of a store, for `serve` and for `mount --listen`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/catalog.h"
#include "api/metrics.h"
#include "api/origin.h"
#include "api/pull_hub.h"
#include "api/pull_through.h"
#include "api/routes.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "fusefs/open_counts.h"
#include "pull/lazy_blobs.h"
#include "pull/on_demand_pulls.h"
#include "pull/puller.h"
#include "pull/size_keeper.h"
#include "tools/arguments.h"
#include "tools/command_context.h"
#include "tools/served_pulls.h"

namespace castool::tools {

// Whether the store is an origin for others as well (serve --registry).
enum class ForOthers { kNo, kYes };

// What runs beside the API and is told in /metrics; each may be null, and all outlive the service.
struct Beside {
  const pull::GcCounts* gc = nullptr;
  const fusefs::OpenCounts* opens = nullptr;
};

class ApiService {
 public:
  // Listens; requests are answered when this returns. Everything given outlives it. `origins` has
  // the token of the Hub that pulls use.
  [[nodiscard]] static base::Result<std::unique_ptr<ApiService>> start(
      const ListenArguments& arguments, ForOthers for_others, CommandContext& context,
      cas::Store& store, cas::RefStore& refs, const pull::Origins& origins, const Beside& beside);
  // Lets requests end: pulls are stopped, which their callers are told, and keep their partials.
  ~ApiService();

  // "127.0.0.1:11435 and /run/castool.sock"
  [[nodiscard]] std::string where() const { return where_; }

 private:
  ApiService(const ListenArguments& arguments, CommandContext& context, cas::Store& store,
             cas::RefStore& refs, const pull::Origins& origins);
  [[nodiscard]] base::Result<pull::PullOutcome> pull(const pull::PullRequest& request,
                                                     pull::PullEvents& events,
                                                     std::stop_token stop);
  // Of a model that another host asks for: its ref, without the large blobs.
  [[nodiscard]] base::Status bring(const manifest::Source& source, std::stop_token stop);
  void count(const Beside& beside);
  void be_origin(const api::Registries& registries, CommandContext& context);

  cas::Store& store_;
  cas::RefStore& refs_;
  const pull::Origins& origins_;
  base::Log& log_;
  ServedPulls served_;
  api::Metrics metrics_;
  api::Catalog catalog_;
  // For other hosts; these follow each other's ends, the last one first.
  std::optional<pull::LazyBlobs> blobs_;
  std::optional<pull::OnDemandPulls> brought_;
  std::optional<api::PullThrough> through_;
  std::optional<api::Origin> origin_;
  api::PullHub pulls_;  // uses what is above
  std::unique_ptr<api::Routes> routes_;
  std::string where_;
  std::unique_ptr<api::Server> server_;  // last: ends before what it calls
};

}  // namespace castool::tools
