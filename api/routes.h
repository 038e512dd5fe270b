// The API: requests in, replies out, without a socket.
//
// Facts about Ollama's endpoints, and where we differ: docs/semantics.md "The API".
// Thread rule: handle() is safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "api/access.h"
#include "api/catalog.h"
#include "api/errors.h"
#include "api/http.h"
#include "api/metrics.h"
#include "api/names.h"
#include "api/origin.h"
#include "api/pull_hub.h"
#include "api/pull_stream.h"
#include "base/log.h"

namespace castool::api {

struct RouteSettings {
  AccessRules access;
  Registries registries;
  std::string version;
  std::string store;  // its directory, for keeping it out of texts
  // POST /castool/run over a Unix socket, for `castool --socket`: a command's words in, its output
  // out, both as JSON. Empty: not served.
  std::function<std::string(const std::string&)> run_command;
};

class Routes {
 public:
  // Everything outlives this and the replies' streams. `origin` is null where this store is none
  // for others.
  Routes(RouteSettings settings, Catalog& catalog, PullHub& pulls, Metrics& metrics, Origin* origin,
         base::Log& log);

  [[nodiscard]] Reply handle(const Request& request);

 private:
  [[nodiscard]] Reply route(const Request& request);
  [[nodiscard]] Reply pull(const Request& request);
  [[nodiscard]] Reply wait_for_pull(std::unique_ptr<PullWatcher> watcher, const Request& request);
  [[nodiscard]] Reply run(const Request& request);
  [[nodiscard]] Reply pull_failed(const base::Error& error, Stage stage, Details details) const;
  [[nodiscard]] Reply tags();
  [[nodiscard]] Reply show(const Request& request);
  [[nodiscard]] Reply remove(const Request& request);
  [[nodiscard]] Reply blob(const Request& request);

  const RouteSettings settings_;
  Catalog& catalog_;
  PullHub& pulls_;
  Metrics& metrics_;
  Origin* const origin_;
  base::Log& log_;
};

}  // namespace castool::api
