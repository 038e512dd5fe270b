#include "api/routes.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "api/errors.h"
#include "api/json.h"
#include "api/request_body.h"

namespace castool::api {
namespace {

using base::Code;

constexpr std::string_view kBlobs = "/api/blobs/";
constexpr auto kLook = std::chrono::milliseconds(100);

struct Endpoint {
  std::string_view path;  // one that ends in '/' but the first stands for all below it
  std::string_view methods;
};

constexpr std::array kEndpoints = {
    Endpoint{"/", "GET, HEAD"},         Endpoint{"/api/pull", "POST"},
    Endpoint{"/api/tags", "GET, HEAD"}, Endpoint{"/api/show", "POST"},
    Endpoint{"/api/delete", "DELETE"},  Endpoint{"/api/version", "GET, HEAD"},
    Endpoint{"/api/ps", "GET, HEAD"},   Endpoint{kBlobs, "HEAD"},
    Endpoint{"/castool/run", "POST"},   Endpoint{"/healthz", "GET, HEAD"},
    Endpoint{"/metrics", "GET, HEAD"},
};

const Endpoint* endpoint_of(std::string_view path) {
  const auto found =
      std::find_if(kEndpoints.begin(), kEndpoints.end(), [path](const Endpoint& endpoint) {
        const bool folder = endpoint.path.size() > 1 && endpoint.path.ends_with('/');
        return folder ? path.starts_with(endpoint.path) : path == endpoint.path;
      });
  return found == kEndpoints.end() ? nullptr : &*found;
}

bool allows(std::string_view methods, std::string_view method) {
  for (std::string_view rest = methods; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(','));
    if (one == method) return true;
    rest.remove_prefix(std::min(one.size() + 2, rest.size()));
  }
  return false;
}

Reply text_reply(std::string text) {
  Reply reply;
  reply.content_type = kText;
  reply.body = std::move(text);
  return reply;
}

Reply preflight() {
  Reply reply;
  reply.status = 204;
  reply.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE"},
                   {"Access-Control-Allow-Headers", "Authorization, Content-Type"}};
  return reply;
}

std::string pull_key(const manifest::Source& source, bool insecure) {
  return manifest::source_text(source) + (insecure ? " insecure" : "");
}

}  // namespace

Routes::Routes(RouteSettings settings, Catalog& catalog, PullHub& pulls, Metrics& metrics,
               Origin* origin, base::Log& log)
    : settings_(std::move(settings)),
      catalog_(catalog),
      pulls_(pulls),
      metrics_(metrics),
      origin_(origin),
      log_(log) {}

Reply Routes::handle(const Request& request) {
  auto refused = refuse(settings_.access, request);
  Reply reply = refused ? *std::move(refused) : route(request);
  for (auto& header : cors_headers(request)) reply.headers.push_back(std::move(header));
  metrics_.request_answered(reply.status);
  return reply;
}

Reply Routes::route(const Request& request) {
  if (request.method == "OPTIONS" && request.origin) return preflight();
  const Endpoint* endpoint = endpoint_of(request.path);
  if (endpoint == nullptr) {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    auto reply = origin_ != nullptr && reads ? origin_->answer(request) : std::nullopt;
    return reply ? *std::move(reply) : error_reply(404, "not found");
  }
  if (!allows(endpoint->methods, request.method)) {
    Reply reply = error_reply(405, "method not allowed");
    reply.headers.emplace_back("Allow", endpoint->methods);
    return reply;
  }
  if (request.path == "/") return text_reply("Ollama is running");
  if (request.path == "/healthz") return text_reply("ok\n");
  if (request.path == "/api/version") return json_reply(version_body(settings_.version));
  if (request.path == "/castool/run") return run(request);
  if (request.path == "/api/ps") return json_reply(tags_body({}));  // nothing is ever loaded here
  if (request.path == "/api/pull") return pull(request);
  if (request.path == "/api/tags") return tags();
  if (request.path == "/api/show") return show(request);
  if (request.path == "/api/delete") return remove(request);
  if (request.path == "/metrics") {
    Reply reply = text_reply(metrics_.text());
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return reply;
  }
  return blob(request);
}

Reply Routes::pull_failed(const base::Error& error, Stage stage, Details details) const {
  const std::string text = pull_error_text(error, stage, settings_.store);
  Reply reply = error_reply(pull_error_status(error), text);
  if (details == Details::kYes) reply.body = error_body(text, error.code);
  return reply;
}

Reply Routes::run(const Request& request) {
  const bool served = request.arrival == Arrival::kUnixSocket && settings_.run_command;
  return served ? json_reply(settings_.run_command(request.body)) : error_reply(404, "not found");
}

Reply Routes::pull(const Request& request) {
  const auto body = parse_model_body(request.body);
  if (!body) return error_reply(400, body.error().message);
  auto source = requested_source(body->model);
  if (!source) return error_reply(400, source.error().message);
  const auto allowed = check_registry(settings_.registries, *source,
                                      body->insecure ? Insecure::kYes : Insecure::kNo);
  if (!allowed) return error_reply(403, allowed.error().message);
  pull::PullRequest wanted;
  wanted.source = *std::move(source);
  wanted.plain_http = body->insecure ? pull::PlainHttp::kAllow : pull::PlainHttp::kRefuse;
  auto watcher = pulls_.join(pull_key(wanted.source, body->insecure), wanted);
  if (!watcher) return error_reply(503, watcher.error().message);
  if (!body->stream) return wait_for_pull(*std::move(watcher), request);
  RunningPull& running = (*watcher)->pull();
  while (!running.wait_resolved(std::chrono::steady_clock::now() + kLook)) {
    if (request.gone()) return error_reply(503, "the caller is gone");
  }
  const auto end = running.end();
  const Details details = body->details ? Details::kYes : Details::kNo;
  if (end && end->error && running.events() <= 1) {
    return pull_failed(*end->error, Stage::kManifest, details);
  }
  Reply reply;
  reply.content_type = kNdjson;
  reply.stream = make_pull_stream(*std::move(watcher), settings_.store, details);
  return reply;
}

Reply Routes::wait_for_pull(std::unique_ptr<PullWatcher> watcher, const Request& request) {
  RunningPull& running = watcher->pull();
  while (!running.wait_ended(std::chrono::steady_clock::now() + kLook)) {
    if (request.gone()) return error_reply(503, "the caller is gone");
  }
  const auto end = running.end();
  if (!end || !end->error) return json_reply(status_event("success"));
  return pull_failed(*end->error, running.events() <= 1 ? Stage::kManifest : Stage::kLayers,
                     Details::kNo);
}

Reply Routes::tags() {
  auto body = catalog_.list();
  if (body) return json_reply(*std::move(body));
  log_.error("list models: {}", body.error().text());
  return error_reply(500, error_text(body.error(), settings_.store));
}

Reply Routes::show(const Request& request) {
  const auto body = parse_model_body(request.body);
  if (!body) return error_reply(400, body.error().message);
  if (body->model.empty()) return error_reply(400, "model is required");
  const auto shown = catalog_.show(
      body->model, body->verbose ? manifest::GgufArrays::kAll : manifest::GgufArrays::kShort);
  if (shown) return json_reply(*shown);
  const base::Error& error = shown.error();
  if (error.code == Code::kUsage) return error_reply(400, error.message);
  if (error.code == Code::kNotFound) return error_reply(404, error.message);
  log_.error("show {}: {}", body->model, error.text());
  return error_reply(500, error_text(error, settings_.store));
}

Reply Routes::remove(const Request& request) {
  const auto body = parse_model_body(request.body);
  if (!body) return error_reply(400, body.error().message);
  if (body->model.empty()) return error_reply(400, "model is required");
  const auto removed = catalog_.remove(body->model);
  if (removed) return Reply();
  const base::Error& error = removed.error();
  if (error.code == Code::kUsage) {
    return error_reply(400, "name \"" + body->model + "\" is invalid");
  }
  if (error.code == Code::kNotFound) return error_reply(404, error.message);
  log_.error("delete {}: {}", body->model, error.text());
  return error_reply(500, error_text(error, settings_.store));
}

Reply Routes::blob(const Request& request) {
  std::string text = request.path.substr(kBlobs.size());
  if (text.starts_with("sha256-")) text[6] = ':';
  const auto digest = base::Digest::parse(text);
  if (!digest) return error_reply(400, "invalid digest format");
  const auto size = catalog_.size_of(*digest);
  if (!size) return error_reply(500, error_text(size.error(), settings_.store));
  Reply reply;
  reply.status = *size ? 200 : 404;
  return reply;
}

}  // namespace castool::api
