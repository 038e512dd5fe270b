#include "tests/support/hub/registry_api.h"

#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hasher.h"

namespace castool::hub {
namespace {

Response registry_error(int status, const std::string& code, const std::string& message) {
  const nlohmann::json error = {{"code", code}, {"message", message}};
  return Response::json(status, nlohmann::json{{"errors", {error}}}.dump());
}

}  // namespace

std::optional<Response> RegistryApi::handle(const Context& context, const Request& request) {
  if (!request.path.starts_with("/v2/")) return std::nullopt;
  const Settings& settings = context.settings;
  // The address that was signed is the one that the client used.
  const std::string origin_url = "http://" + request.headers.get("Host");
  if (request.path == "/v2/token") {
    return tokens_.issue(request, origin_url, settings.token_seconds);
  }
  if (settings.registry_auth && !tokens_.is_valid(request.bearer())) {
    Response response = registry_error(401, "UNAUTHORIZED", "authentication required");
    const std::string realm = settings.realm.empty() ? origin_url + "/v2/token" : settings.realm;
    response.headers.add("Www-Authenticate",
                         fmt::format("Bearer realm=\"{}\",service=\"ollama\",scope=\"-\"", realm));
    return response;
  }
  if (request.path == "/v2/") return Response::json(200, "{}");
  const std::vector<std::string> parts = split(percent_decode(request.path), '/');
  if (parts.size() != 6) return registry_error(404, "NAME_INVALID", "invalid repository name");
  const auto model = context.catalog->models.find(parts[2] + "/" + parts[3]);
  const bool known = model != context.catalog->models.end();
  if (parts[4] == "manifests") {
    return known ? manifest(request, model->second, parts[5])
                 : registry_error(404, "MANIFEST_UNKNOWN", "manifest unknown");
  }
  if (parts[4] == "blobs" && known) return blob(context, request, model->second, parts[5]);
  return registry_error(404, "NAME_UNKNOWN", "repository name not known to registry");
}

Response RegistryApi::manifest(const Request& request, const RegistryModel& model,
                               const std::string& tag) {
  const auto found = model.manifests.find(tag);
  if (found == model.manifests.end()) {
    return registry_error(404, "MANIFEST_UNKNOWN", "manifest unknown");
  }
  const nlohmann::json parsed = nlohmann::json::parse(found->second, nullptr, false);
  const std::string fallback = "application/vnd.docker.distribution.manifest.v2+json";
  const std::string type =
      parsed.is_object() && parsed.contains("mediaType") && parsed["mediaType"].is_string()
          ? parsed["mediaType"].get<std::string>()
          : fallback;
  const std::string digest = base::Sha256::of(found->second).text();
  Response response = Response::serve(request, std::make_shared<MemoryContent>(found->second),
                                      "\"" + digest + "\"", type);
  response.headers.add("Docker-Content-Digest", digest);
  return response;
}

Response RegistryApi::blob(const Context& context, const Request& request,
                           const RegistryModel& model, const std::string& digest) const {
  const auto found = model.blobs.find(digest);
  if (found == model.blobs.end()) return registry_error(404, "BLOB_UNKNOWN", "blob unknown");
  const std::string& style = context.settings.blob_style;
  // HEAD tells the length at the registry itself: clients size their download by it.
  if (request.is_head() || style == "direct" || style == "location") {
    Response response =
        Response::serve(request, found->second, "\"" + digest + "\"", "application/octet-stream");
    response.headers.add("Docker-Content-Digest", digest);
    if (style == "location") response.headers.add("Location", "?__sign=TESTHUB");
    return response;
  }
  const std::string path = "/registry/blobs/" + digest.substr(digest.find(':') + 1);
  return Response::redirect(style == "found" ? 302 : 307,
                            fmt::format("{}{}?{}", context.cdn_url, path,
                                        signed_urls_.sign(path, context.settings.signature_seconds,
                                                          SignedUrls::Form::kS3)));
}

}  // namespace castool::hub
