#include "tests/support/hub/test_hub.h"

#include <map>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace castool::hub {
namespace {

using nlohmann::json;

std::string url(const Server& server) { return fmt::format("http://127.0.0.1:{}", server.port()); }

// Headers and targets of a test may be any bytes; JSON text may not.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Response done() { return Response::json(200, "{}"); }

json to_json(const Server::Stats& stats) {
  return {{"accepted", stats.accepted},
          {"refused", stats.refused},
          {"active", stats.active},
          {"peak", stats.peak}};
}

}  // namespace

TestHub::TestHub(Options options)
    : options_(std::move(options)), hub_(options_.port), cdn_(options_.cdn_port) {
  if (options_.sample) sample_.emplace();
  reload();
  const auto limit = [this] {
    const base::MutexLock lock(mutex_);
    return settings_.max_connections;
  };
  for (const Origin origin : {Origin::kHub, Origin::kCdn}) {
    Server& server = origin == Origin::kHub ? hub_ : cdn_;
    server.start(
        [this, origin](const Request& request, std::uint64_t connection) {
          return handle(origin, request, connection);
        },
        limit);
  }
}

std::string TestHub::addresses() const {
  return dump({{"hub", url(hub_)}, {"cdn", url(cdn_)}, {"registry", url(hub_)}});
}

void TestHub::reload() {
  std::uint64_t threshold = 0;
  std::shared_ptr<const Catalog> before;
  {
    const base::MutexLock lock(mutex_);
    threshold = settings_.lfs_threshold;
    before = catalog_;
  }
  auto next = std::make_shared<Catalog>();
  if (sample_) sample_->add_to(*next, threshold);
  if (options_.root) scan_root(*options_.root, threshold, *next);
  if (before) next->keep_from(*before);
  const base::MutexLock lock(mutex_);
  catalog_ = std::move(next);
}

Context TestHub::context() const {
  const base::MutexLock lock(mutex_);
  return {url(hub_), url(cdn_), settings_, catalog_};
}

Server::Answer TestHub::handle(Origin origin, const Request& request, std::uint64_t connection) {
  if (origin == Origin::kHub && request.path.starts_with("/_hub/")) return {control(request), {}};
  const std::string name = origin == Origin::kHub ? "hub" : "cdn";
  // In this order: who sees a request in the log may rely on its fault being taken.
  const std::optional<json> action = faults_.take(name, request);
  const std::uint64_t seq = log_.begin(name, connection, request);
  Request changed = request;
  if (action) {
    if (action->value("expire_signatures", false)) signed_urls_.expire_all();
    if (action->value("revoke_tokens", false)) tokens_.revoke_all();
    apply_to_request(*action, changed);
  }
  Response response = route(origin, changed);
  response.headers.add("X-Request-Id", fmt::format("Root=1-{:08x}-{:024x}", seq, connection));
  if (action) apply_to_response(*action, request, response);
  const Settings settings = context().settings;
  response.wire.delay += std::chrono::milliseconds(settings.latency_ms);
  response.wire.bytes_per_second = settings.bytes_per_second;
  log_.answer(seq, response.status, action.has_value());
  return {std::move(response), [this, seq](std::uint64_t bytes) { log_.finish(seq, bytes); }};
}

Response TestHub::route(Origin origin, const Request& request) {
  if (origin == Origin::kCdn) return serve_cdn(request);
  const Context now = context();
  std::optional<Response> response = registry_api_.handle(now, request);
  if (!response) response = hub_api_.handle(now, request);
  return response ? *std::move(response) : Response::text(404, "Not Found");
}

Response TestHub::serve_cdn(const Request& request) const {
  const SignedUrls::Verdict verdict = signed_urls_.check(request);
  if (verdict != SignedUrls::Verdict::kGood) {
    Response response = Response::text(
        403, fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                         "<Error><Code>AccessDenied</Code><Message>{}</Message></Error>",
                         verdict == SignedUrls::Verdict::kExpired ? "Request has expired"
                                                                  : "Access denied"));
    response.headers.set("Content-Type", "application/xml");
    return response;
  }
  const std::shared_ptr<const Catalog> catalog = context().catalog;
  const std::string key = request.path.substr(request.path.rfind('/') + 1);
  const auto found = catalog->cdn.find(key);
  if (found == catalog->cdn.end()) return Response::text(404, "NoSuchKey");
  return Response::serve(request, found->second, "\"" + key + "\"", "application/octet-stream");
}

Response TestHub::control(const Request& request) {
  static const std::map<std::string, Route> routes = {
      {"/_hub/log", &TestHub::control_log},           {"/_hub/faults", &TestHub::control_faults},
      {"/_hub/settings", &TestHub::control_settings}, {"/_hub/stats", &TestHub::control_stats},
      {"/_hub/reload", &TestHub::control_reload},     {"/_hub/expire", &TestHub::control_expire},
      {"/_hub/revoke", &TestHub::control_revoke}};
  const auto found = routes.find(request.path);
  if (found == routes.end()) return Response::json(404, dump({{"error", "no such control"}}));
  try {
    return (this->*found->second)(request);
  } catch (const std::exception& error) {
    return Response::json(400, dump({{"error", error.what()}}));
  }
}

Response TestHub::control_log(const Request& request) {
  if (request.method == "DELETE") {
    log_.clear();
    return done();
  }
  log_.settle(std::chrono::milliseconds(50));
  return Response::json(200, dump(log_.to_json()));
}

Response TestHub::control_faults(const Request& request) {
  if (request.method == "DELETE") faults_.clear();
  if (request.method == "POST") faults_.add(json::parse(request.body));
  return Response::json(200, dump(faults_.list()));
}

Response TestHub::control_settings(const Request& request) {
  const base::MutexLock lock(mutex_);
  if (request.method == "POST") settings_.update(json::parse(request.body));
  return Response::json(200, dump(settings_.to_json()));
}

Response TestHub::control_stats(const Request& request) {
  if (request.method == "DELETE") {
    hub_.reset_stats();
    cdn_.reset_stats();
  }
  return Response::json(200,
                        dump({{"hub", to_json(hub_.stats())}, {"cdn", to_json(cdn_.stats())}}));
}

Response TestHub::control_reload(const Request&) {
  reload();
  json refs = json::object();
  for (const auto& [id, repository] : context().catalog->repositories) refs[id] = repository.refs;
  return Response::json(200, dump(refs));
}

Response TestHub::control_expire(const Request&) {
  signed_urls_.expire_all();
  return done();
}

Response TestHub::control_revoke(const Request&) {
  tokens_.revoke_all();
  return done();
}

}  // namespace castool::hub
