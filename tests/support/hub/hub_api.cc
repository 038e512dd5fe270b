#include "tests/support/hub/hub_api.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hasher.h"
#include "tests/support/hub/hub_access.h"

namespace castool::hub {
namespace {

using nlohmann::json;

std::string quoted(const std::string& text) { return fmt::format("\"{}\"", text); }

// A repository's own id on the Hub, 24 hex.
std::string repository_oid(const std::string& id) {
  return base::Sha256::of(id).hex().substr(0, 24);
}

std::string join(const std::vector<std::string>& parts, std::size_t first, std::size_t last) {
  std::string text;
  for (std::size_t i = first; i < std::min(last, parts.size()); ++i) {
    if (i > first) text += '/';
    text += parts[i];
  }
  return text;
}

bool is_action(const std::string& word) {
  static const std::set<std::string> actions = {"revision", "tree", "refs", "paths-info"};
  return actions.contains(word);
}

json tree_entry(const std::string& path, const HubFile& file) {
  json entry = {
      {"type", "file"}, {"oid", file.oid}, {"size", file.content->size()}, {"path", path}};
  if (file.is_lfs()) {
    entry["lfs"] = {
        {"oid", file.sha256}, {"size", file.content->size()}, {"pointerSize", file.pointer_size}};
    entry["xetHash"] = file.xet_hash;
  }
  return entry;
}

json directory_entry(const std::string& path) {
  const std::string oid = base::Sha256::of("tree " + path).hex().substr(0, 40);
  return {{"type", "directory"}, {"oid", oid}, {"size", 0}, {"path", path}};
}

// All entries below `directory` in the order of their paths.
std::map<std::string, json> tree_entries(const Commit& commit, const std::string& directory,
                                         bool recursive) {
  const std::string prefix = directory.empty() ? "" : directory + "/";
  std::map<std::string, json> entries;
  for (const auto& [path, file] : commit.files) {
    if (!path.starts_with(prefix)) continue;
    std::size_t slash = path.find('/', prefix.size());
    if (recursive || slash == std::string::npos) entries[path] = tree_entry(path, file);
    for (; slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string parent = path.substr(0, slash);
      entries.emplace(parent, directory_entry(parent));
      if (!recursive) break;
    }
  }
  return entries;
}

std::uint64_t number(const std::optional<std::string>& text, std::uint64_t fallback) {
  if (!text || text->empty() || text->find_first_not_of("0123456789") != std::string::npos) {
    return fallback;
  }
  return std::stoull(text->substr(0, 18));
}

std::string disposition(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return fmt::format("inline; filename*=UTF-8''{}; filename=\"{}\";", percent_encode(name),
                     percent_encode(name, " "));
}

}  // namespace

std::optional<HubApi::Call> HubApi::parse(const std::string& path) {
  std::vector<std::string> parts = split(path, '/');  // the first is empty
  Call call;
  std::size_t at = 1;
  if (path.starts_with("/api/models/")) {
    at = 3;
  } else if (path.starts_with("/api/resolve-cache/models/")) {
    at = 4;
    call.cached = true;
    call.is_api = false;
    call.action = "resolve";
  } else {
    call.is_api = false;
    call.action = "resolve";
  }
  if (parts.size() <= at || parts[at].empty()) return std::nullopt;
  // One part or two: a second part that is an action belongs to a legacy id.
  const auto ends_id = [&](const std::string& word) {
    return call.is_api ? is_action(word) : word == "resolve";
  };
  const std::size_t id_parts =
      call.cached || (parts.size() > at + 1 && !ends_id(parts[at + 1])) ? 2 : 1;
  call.id = percent_decode(join(parts, at, at + id_parts));
  at += id_parts;
  call.rest = join(parts, at, parts.size());
  if (call.is_api && at < parts.size()) call.action = percent_decode(parts[at++]);
  if (!call.is_api && !call.cached && (at >= parts.size() || parts[at++] != "resolve")) {
    return std::nullopt;
  }
  if (at < parts.size()) call.revision = percent_decode(parts[at++]);
  call.path = percent_decode(join(parts, at, parts.size()));
  if (!call.is_api && call.path.empty()) return std::nullopt;
  return call;
}

std::optional<Response> HubApi::handle(const Context& context, const Request& request) {
  const std::optional<Call> call = parse(request.path);
  if (!call) return std::nullopt;
  const Quota quota = count(context.settings, request, call->is_api);
  Response response;
  if (quota.exceeded) {
    response.status = 429;
    response.headers.add("Content-Type", "text/html; charset=utf-8");
    response.body = "<!DOCTYPE html>\n<html><body>Too many requests</body></html>\n";
  } else {
    response = answer(context, request, *call);
  }
  response.headers.add("RateLimit", quota.left);
  response.headers.add("RateLimit-Policy", quota.policy);
  return response;
}

HubApi::Quota HubApi::count(const Settings& settings, const Request& request, bool is_api) {
  const std::string bucket = is_api ? "api" : "resolvers";
  const std::uint64_t limit = is_api ? settings.rate_limit_api : settings.rate_limit_resolvers;
  const auto now = std::chrono::steady_clock::now();
  const base::MutexLock lock(mutex_);
  Window& window = windows_[bucket + " " + request.bearer()];
  if (window.end <= now) window = {0, now + std::chrono::seconds(settings.rate_limit_window)};
  const bool exceeded = settings.enforce_rate_limits && window.used >= limit;
  if (!exceeded) ++window.used;
  // Unless it is enforced, a window never looks used up: a client may rightly wait on seeing r=0.
  std::uint64_t left = limit - std::min(limit, window.used);
  if (!settings.enforce_rate_limits) left = std::max<std::uint64_t>(left, 1);
  const auto reset = std::chrono::ceil<std::chrono::seconds>(window.end - now).count();
  return {
      exceeded, fmt::format("\"{}\";r={};t={}", bucket, left, reset),
      fmt::format("\"fixed window\";\"{}\";q={};w={}", bucket, limit, settings.rate_limit_window)};
}

Response HubApi::answer(const Context& context, const Request& request, const Call& call) {
  const auto found = context.catalog->repositories.find(call.id);
  const Repository* repository =
      found == context.catalog->repositories.end() ? nullptr : &found->second;
  if (repository != nullptr && !repository->renamed_to.empty()) {
    std::string location = (call.is_api ? "/api/models/" : "/") + repository->renamed_to;
    if (!call.rest.empty()) location += "/" + call.rest;
    if (!request.query.empty()) location += "?" + request.query;
    return Response::redirect(307, location);
  }
  const bool content = call.action == "resolve";
  if (auto refused =
          refusal(context.settings, request, call.id, repository, call.is_api, content)) {
    return *std::move(refused);
  }
  if (call.action == "refs") return refs(*repository);
  const std::shared_ptr<const Commit> commit = repository->find(call.revision);
  if (!commit) {
    return hub_error(call.is_api, 404, "RevisionNotFound", "Invalid rev id: " + call.revision);
  }
  if (call.action.empty() || call.action == "revision") {
    return info(call.id, *repository, *commit, request);
  }
  if (call.action == "tree") return tree(context, request, call, *commit);
  if (call.action == "paths-info") return paths_info(request, *commit);
  if (call.action == "resolve") return resolve(context, request, call, *repository, *commit);
  return hub_error(call.is_api, 404, "", "Not found");
}

Response HubApi::info(const std::string& id, const Repository& repository, const Commit& commit,
                      const Request& request) {
  if (request.parameter("expand[]") == "sha") {
    const json small = {{"_id", repository_oid(id)}, {"id", id}, {"sha", commit.id}};
    return Response::json(200, small.dump());
  }
  const bool blobs = request.parameter("blobs") == "true";
  json siblings = json::array();
  std::uint64_t used = 0;
  for (const auto& [path, file] : commit.files) {
    json sibling = {{"rfilename", path}};
    used += file.content->size();
    if (blobs) {
      sibling["blobId"] = file.oid;
      sibling["size"] = file.content->size();
      if (file.is_lfs()) {
        sibling["lfs"] = {{"sha256", file.sha256},
                          {"size", file.content->size()},
                          {"pointerSize", file.pointer_size}};
      }
    }
    siblings.push_back(std::move(sibling));
  }
  const json gated = repository.gated.empty() ? json(false) : json(repository.gated);
  const json body = {{"_id", repository_oid(id)},
                     {"id", id},
                     {"modelId", id},
                     {"author", id.substr(0, id.find('/'))},
                     {"sha", commit.id},
                     {"lastModified", "2026-02-19T10:57:45.000Z"},
                     {"createdAt", "2026-02-02T23:29:04.000Z"},
                     {"private", repository.is_private},
                     {"gated", gated},
                     {"disabled", repository.disabled},
                     {"tags", {"transformers", "license:apache-2.0"}},
                     {"pipeline_tag", "text-generation"},
                     {"library_name", "transformers"},
                     {"usedStorage", used},
                     {"siblings", std::move(siblings)}};
  return Response::json(200, body.dump());
}

Response HubApi::tree(const Context& context, const Request& request, const Call& call,
                      const Commit& commit) {
  const bool recursive = request.parameter("recursive") == "true";
  const std::map<std::string, json> entries = tree_entries(commit, call.path, recursive);
  if (entries.empty() && !call.path.empty()) {
    return hub_error(true, 404, "EntryNotFound",
                     call.path + " does not exist on \"" + call.revision + "\"");
  }
  const std::uint64_t limit = std::max<std::uint64_t>(
      std::min(number(request.parameter("limit"), 1000), context.settings.page_size), 1);
  const std::uint64_t first =
      std::min<std::uint64_t>(number(request.parameter("cursor"), 0), entries.size());
  const std::uint64_t last = std::min<std::uint64_t>(first + limit, entries.size());
  json page = json::array();
  auto entry = std::next(entries.begin(), static_cast<std::ptrdiff_t>(first));
  for (std::uint64_t i = first; i < last; ++i, ++entry) page.push_back(entry->second);
  Response response = Response::json(200, page.dump());
  if (last < entries.size()) {
    const std::string& base =
        context.settings.link_base.empty() ? context.hub_url : context.settings.link_base;
    response.headers.add(
        "Link", fmt::format("<{}{}?expand=false&recursive={}&limit={}&cursor={}>; rel=\"next\"",
                            base, request.path, recursive, limit, last));
  }
  return response;
}

Response HubApi::refs(const Repository& repository) {
  json lists = {{"tags", json::array()}, {"branches", json::array()}, {"converts", json::array()}};
  for (const auto& [name, commit] : repository.refs) {
    if (name.starts_with("refs/")) {
      lists["pullRequests"].push_back({{"name", name}, {"ref", name}, {"targetCommit", commit}});
    } else {
      lists["branches"].push_back(
          {{"name", name}, {"ref", "refs/heads/" + name}, {"targetCommit", commit}});
    }
  }
  return Response::json(200, lists.dump());
}

Response HubApi::paths_info(const Request& request, const Commit& commit) {
  const json asked = json::parse(request.body, nullptr, false);
  if (!asked.is_object() || !asked.contains("paths") || !asked["paths"].is_array()) {
    return hub_error(true, 400, "", "paths is missing");
  }
  json found = json::array();
  for (const json& path : asked["paths"]) {
    const auto file = commit.files.find(path.is_string() ? path.get<std::string>() : "");
    if (file != commit.files.end()) found.push_back(tree_entry(file->first, file->second));
  }
  return Response::json(200, found.dump());
}

Response HubApi::resolve(const Context& context, const Request& request, const Call& call,
                         const Repository& repository, const Commit& commit) const {
  const auto found = commit.files.find(call.path);
  Response response;
  if (found == commit.files.end()) {
    response = hub_error(false, 404, "EntryNotFound", "Entry not found");
    response.headers.add("Accept-Ranges", "bytes");
    response.headers.add("X-Hub-Cache", "MISS");
  } else if (const HubFile& file = found->second; file.is_lfs()) {
    response = redirect_to_cdn(context, call, file, commit);
  } else if (call.cached || context.settings.regular_style == "direct" || repository.is_private ||
             !repository.gated.empty() || file.content->size() == 0) {
    response =
        Response::serve(request, file.content, quoted(file.oid), "text/plain; charset=utf-8");
    response.headers.add("Content-Disposition", disposition(call.path));
  } else {
    response = Response::redirect(
        307, fmt::format("/api/resolve-cache/models/{}/{}/{}?{}=&etag={}", call.id, commit.id,
                         percent_encode(call.path, "/"), percent_encode(request.path),
                         percent_encode(quoted(file.oid))));
    response.headers.add("X-Linked-Etag", quoted(file.oid));
    response.headers.add("Accept-Ranges", "bytes");
    response.headers.add("X-Hub-Cache", "MISS");
    response.headers.add("Content-Disposition", disposition(call.path));
  }
  response.headers.add("X-Repo-Commit", commit.id);
  return response;
}

Response HubApi::redirect_to_cdn(const Context& context, const Call& call, const HubFile& file,
                                 const Commit& commit) const {
  const std::string path =
      fmt::format("/xet-bridge-us/{}/{}", repository_oid(call.id), file.xet_hash);
  Response response = Response::redirect(
      302, fmt::format("{}{}?{}", context.cdn_url, path,
                       signed_urls_.sign(path, context.settings.signature_seconds,
                                         SignedUrls::Form::kCloudFront)));
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("Accept-Ranges", "bytes");
  response.headers.add("X-Linked-Size", std::to_string(file.content->size()));
  response.headers.add("X-Linked-Etag", quoted(file.sha256));
  response.headers.add("X-Xet-Hash", file.xet_hash);
  response.headers.add("Link",
                       fmt::format("<{0}/api/models/{1}/xet-read-token/{2}>; rel=\"xet-auth\", "
                                   "<{0}/v1/reconstructions/{3}>; rel=\"xet-reconstruction-info\"",
                                   context.hub_url, call.id, commit.id, file.xet_hash));
  return response;
}

}  // namespace castool::hub
