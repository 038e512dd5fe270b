#include "api/origin.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "api/origin_json.h"
#include "api/range.h"
#include "manifest/manifest.h"

namespace castool::api {
namespace {

constexpr std::string_view kManifestType = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kBytes = "application/octet-stream";

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "left<mark>right"; false when the mark is not there or one side is empty.
bool split_at(std::string_view text, std::string_view mark, std::string_view& left,
              std::string_view& right) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos || at == 0) return false;
  left = text.substr(0, at);
  right = text.substr(at + mark.size());
  return !right.empty();
}

Reply registry_error(int status, std::string_view code, std::string_view message) {
  Reply reply = json_reply(registry_error_body(code, message));
  reply.status = status;
  return reply;
}

// As the Hub says it; `code` is of X-Error-Code.
Reply hub_error(std::string_view code, std::string_view message) {
  Reply reply = error_reply(404, message);
  reply.headers = {{"X-Error-Code", std::string(code)}, {"X-Error-Message", std::string(message)}};
  return reply;
}

// The bytes of an open blob that the request asks for.
Reply blob_reply(const Request& request, cas::Blob blob) {
  const std::uint64_t size = blob.size;
  const auto range = answer_range(request.range, size);
  Reply reply;
  reply.headers.emplace_back("Accept-Ranges", "bytes");
  if (range.kind == RangeAnswer::Kind::kUnsatisfiable) {
    reply.status = 416;
    reply.headers.emplace_back("Content-Range", fmt::format("bytes */{}", size));
    return reply;
  }
  if (range.kind == RangeAnswer::Kind::kPart) {
    reply.status = 206;
    reply.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", range.offset,
                                                            range.offset + range.length - 1, size));
  }
  reply.content_type = kBytes;
  reply.file = FilePart{std::make_shared<const base::UniqueFd>(std::move(blob.fd)), range.offset,
                        range.length};
  return reply;
}

// The refs that a registry's "ns/model:tag" may be, by the registries whose place we take.
std::array<std::string, 3> ref_names_of(std::string_view repo, std::string_view tag) {
  constexpr std::string_view kLibrary = "library/";
  const std::string_view shown = repo.starts_with(kLibrary) ? repo.substr(kLibrary.size()) : repo;
  return {fmt::format("{}:{}", shown, tag), fmt::format("hf.co/{}:{}", repo, tag),
          fmt::format("huggingface.co/{}:{}", repo, tag)};
}

}  // namespace

std::optional<Reply> Origin::answer(const Request& request) {
  std::string_view path = request.path;
  if (path == "/v2/" || path == "/v2") return json_reply("{}");
  if (take_prefix(path, "/v2/")) return registry(request, path);
  if (take_prefix(path, "/api/models/")) return repository(request, path);
  std::string_view repo, rest;
  if (path.size() > 1 && split_at(path.substr(1), "/resolve/", repo, rest)) {
    return resolve(request, repo, rest);
  }
  return std::nullopt;
}

Reply Origin::registry(const Request& request, std::string_view path) {
  std::string_view repo, rest;
  if (split_at(path, "/manifests/", repo, rest)) return registry_manifest(repo, rest);
  if (split_at(path, "/blobs/", repo, rest)) return registry_blob(request, repo, rest);
  return registry_error(404, "UNSUPPORTED", "not found");
}

Reply Origin::registry_manifest(std::string_view repo, std::string_view reference) {
  const auto digest = base::Digest::parse(reference);
  const auto record = digest ? catalog_.find_registry_model(repo, *digest)
                             : catalog_.find_complete(ref_names_of(repo, reference));
  if (!record || record->kind != manifest::ModelKind::kOllama) {
    return registry_error(404, "MANIFEST_UNKNOWN", "manifest unknown");
  }
  auto bytes = store_.read_small(record->manifest, manifest::kMaxManifestBytes);
  if (!bytes) {
    log_.error("{}: its manifest: {}", record->name, bytes.error().text());
    return registry_error(500, "UNKNOWN", "the manifest cannot be read");
  }
  Reply reply;
  reply.content_type = kManifestType;
  reply.headers.emplace_back("Docker-Content-Digest", record->manifest.text());
  reply.body = *std::move(bytes);
  return reply;
}

Reply Origin::registry_blob(const Request& request, std::string_view repo, std::string_view text) {
  const auto digest = base::Digest::parse(text);
  if (!digest) return registry_error(400, "DIGEST_INVALID", "invalid digest");
  const auto known = catalog_.size_of(*digest);
  auto blob =
      known && *known ? store_.find(*digest) : base::Result<std::optional<cas::Blob>>(std::nullopt);
  if (!blob || !*blob) return registry_error(404, "BLOB_UNKNOWN", "blob unknown");
  Reply reply = blob_reply(request, **std::move(blob));
  reply.headers.emplace_back("Docker-Content-Digest", digest->text());
  // Ollama asks a 200 where the bytes are, and a plain one is an error to it.
  if (reply.status == 200) {
    reply.headers.emplace_back("Location", fmt::format("/v2/{}/blobs/{}", repo, digest->text()));
  }
  return reply;
}

Reply Origin::repository(const Request& request, std::string_view path) {
  std::string_view repo = path, revision = "main", what = "info", rest;
  if (split_at(path, "/revision/", repo, rest)) {
    revision = rest;
  } else if (split_at(path, "/tree/", repo, rest)) {
    revision = rest;
    what = "tree";
  } else if (path.ends_with("/refs")) {
    repo = path.substr(0, path.size() - std::string_view("/refs").size());
    what = "refs";
  } else {
    repo = path;
  }
  const auto hub = catalog_.find_repository(repo);
  if (!hub) return hub_error("RepoNotFound", "Repository not found");
  if (revision != "main" && revision != (*hub)->commit) {
    return hub_error("RevisionNotFound", fmt::format("Invalid rev id: {}", revision));
  }
  if (what == "refs") return json_reply(refs_body(**hub));
  if (what == "tree") {
    const std::string asked = query_value(request.query, "recursive").value_or("false");
    const bool all = asked == "true" || asked == "True" || asked == "1";
    return json_reply(tree_body(**hub, all ? Recursive::kYes : Recursive::kNo));
  }
  const bool blobs = query_value(request.query, "blobs").has_value();
  return json_reply(repo_info_body(**hub, blobs ? WithBlobs::kYes : WithBlobs::kNo));
}

Reply Origin::resolve(const Request& request, std::string_view repo, std::string_view rest) {
  const auto hub = catalog_.find_repository(repo);
  if (!hub) return hub_error("RepoNotFound", "Repository not found");
  std::string_view revision, path;
  if (!split_at(rest, "/", revision, path) || (revision != "main" && revision != (*hub)->commit)) {
    return hub_error("RevisionNotFound", "Invalid rev id");
  }
  const auto file =
      std::find_if((*hub)->files.begin(), (*hub)->files.end(),
                   [&](const manifest::FileEntry& each) { return each.path == path; });
  auto blob = file == (*hub)->files.end() ? base::Result<std::optional<cas::Blob>>(std::nullopt)
                                          : store_.find(file->digest);
  Reply reply;
  if (!blob || !*blob) {
    reply = hub_error("EntryNotFound", "Entry not found");
  } else {
    reply = blob_reply(request, **std::move(blob));
    reply.headers.emplace_back("ETag", '"' + etag_of(*file) + '"');
    if (!file->git_oid) {
      reply.headers.emplace_back("X-Linked-Etag", '"' + etag_of(*file) + '"');
      reply.headers.emplace_back("X-Linked-Size", std::to_string(file->size));
    }
  }
  reply.headers.emplace_back("X-Repo-Commit", (*hub)->commit);
  return reply;
}

}  // namespace castool::api
