#include "api/origin.h"

#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "api/errors.h"
#include "api/names.h"
#include "api/origin_json.h"
#include "api/origin_path.h"
#include "api/range.h"
#include "manifest/manifest.h"

namespace castool::api {
namespace {

using base::Code;

constexpr std::string_view kManifestType = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kBytes = "application/octet-stream";

Reply registry_error(int status, std::string_view code, std::string_view message) {
  Reply reply = json_reply(registry_error_body(code, message));
  reply.status = status;
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

Catalog::Offered Origin::offered() const {
  return [through = through_](const manifest::RefRecord& record) {
    const bool complete = record.state == manifest::RefState::kComplete;
    return complete || (through != nullptr && through->may_complete(record));
  };
}

base::Result<std::optional<Reply>> Origin::blob_reply(const Request& request,
                                                      const Wanted& wanted) {
  CASTOOL_ASSIGN(auto blob, store_.find(wanted.digest));
  // A model that is not whole here may name what others brought: its own origin gives it that.
  if (blob && !catalog_.may_read(wanted.record, wanted.digest)) blob.reset();
  const bool through = !blob && through_ != nullptr && through_->may_complete(wanted.record);
  if (!blob && !through) return std::optional<Reply>();
  const std::uint64_t size = blob ? blob->size : wanted.size;
  const auto range = answer_range(request.range, size);
  Reply reply;
  reply.headers.emplace_back("Accept-Ranges", "bytes");
  if (range.kind == RangeAnswer::Kind::kUnsatisfiable) {
    reply.status = 416;
    reply.headers.emplace_back("Content-Range", fmt::format("bytes */{}", size));
    return std::optional(std::move(reply));
  }
  if (range.kind == RangeAnswer::Kind::kPart) {
    reply.status = 206;
    reply.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", range.offset,
                                                            range.offset + range.length - 1, size));
  }
  reply.content_type = kBytes;
  if (blob) {
    reply.file = FilePart{std::make_shared<const base::UniqueFd>(std::move(blob->fd)), range.offset,
                          range.length};
    return std::optional(std::move(reply));
  }
  // So long is the stream, which is sent as it is and may break off.
  reply.headers.emplace_back("Content-Length", std::to_string(range.length));
  if (request.method != "HEAD") {
    CASTOOL_ASSIGN(reply.stream, through_->read(wanted.record, wanted.digest, size,
                                                {range.offset, range.length}));
  }
  return std::optional(std::move(reply));
}

Reply Origin::registry(const Request& request, std::string_view path) {
  std::string_view repo, rest;
  if (split_at(path, "/manifests/", repo, rest)) return registry_manifest(request, repo, rest);
  if (split_at(path, "/blobs/", repo, rest)) return registry_blob(request, repo, rest);
  return registry_error(404, "UNSUPPORTED", "not found");
}

base::Result<manifest::RefRecord> Origin::find_model(const Request& request, std::string_view repo,
                                                     std::string_view reference) {
  if (const auto digest = base::Digest::parse(reference)) {
    return catalog_.find_registry_model(repo, *digest, offered());
  }
  const auto names = ref_names_of(repo, reference);
  auto record = catalog_.find_offered(names, offered());
  if (record || record.error().code != Code::kNotFound || through_ == nullptr) return record;
  for (const std::string_view host : {"registry.ollama.ai", "hf.co"}) {
    const auto source = requested_source(fmt::format("ollama://{}/{}:{}", host, repo, reference));
    if (!source) return base::failure(source);
    const base::Status brought = through_->bring(*source, request.gone);
    if (brought) return catalog_.find_offered(names, offered());
    const Code code = brought.error().code;
    // What is private there is as good as absent; that nobody answered is not.
    if (code != Code::kNotFound && code != Code::kUnauthorized) return brought.error();
  }
  return record;
}

Reply Origin::registry_manifest(const Request& request, std::string_view repo,
                                std::string_view reference) {
  const auto record = find_model(request, repo, reference);
  const bool absent =
      !record && (record.error().code == Code::kNotFound || record.error().code == Code::kUsage);
  if (absent || (record && record->kind != manifest::ModelKind::kOllama)) {
    return registry_error(404, "MANIFEST_UNKNOWN", "manifest unknown");
  }
  if (!record) {
    log_.warn("{}:{}: asked for by another host: {}", repo, reference, record.error().text());
    return registry_error(502, "UNAVAILABLE", error_text(record.error(), store_.root()));
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
  const auto found = catalog_.find_blob(*digest, offered());
  if (!found) return registry_error(404, "BLOB_UNKNOWN", "blob unknown");
  auto made = blob_reply(request, {found->record, *digest, found->size});
  if (!made) {
    log_.warn("{}: {}", found->record.name, made.error().text());
    return registry_error(502, "UNAVAILABLE", error_text(made.error(), store_.root()));
  }
  if (!*made) return registry_error(404, "BLOB_UNKNOWN", "blob unknown");
  Reply reply = **std::move(made);
  reply.headers.emplace_back("Docker-Content-Digest", digest->text());
  // Ollama asks a 200 where the bytes are, and a plain one is an error to it.
  if (reply.status == 200) {
    reply.headers.emplace_back("Location", fmt::format("/v2/{}/blobs/{}", repo, digest->text()));
  }
  return reply;
}

}  // namespace castool::api
