#include "tests/pull/fake_origins.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/hasher.h"

namespace castool::pull {
namespace {

using nlohmann::json;

FakeAnswer plain(int status, std::string body = {}) {
  FakeAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

FakeAnswer hub_refusal(int status, const char* code, const char* sentence) {
  FakeAnswer answer = plain(status);
  if (*code != '\0') answer.headers.add("X-Error-Code", code);
  answer.headers.add("X-Error-Message", sentence);
  return answer;
}

FakeAnswer redirect(int status, const std::string& location) {
  FakeAnswer answer = plain(status, "see there");
  answer.headers.add("Location", location);
  return answer;
}

// The bytes, or the range that was asked for.
FakeAnswer content(const fetch::HttpRequest& request, const std::string& bytes) {
  if (!request.range) return plain(200, bytes);
  const auto& range = *request.range;
  if (range.offset >= bytes.size()) return plain(416);
  FakeAnswer answer = plain(206, bytes.substr(range.offset, range.length));
  answer.headers.add("Content-Range", "bytes " + std::to_string(range.offset) + "-" +
                                          std::to_string(range.offset + answer.body.size() - 1) +
                                          "/" + std::to_string(bytes.size()));
  return answer;
}

std::string sha256_hex(std::string_view bytes) { return base::Sha256::of(bytes).hex(); }

std::string git_oid(std::string_view bytes) {
  base::GitBlobHasher hasher(bytes.size());
  hasher.update(std::as_bytes(std::span(bytes)));
  return hasher.finish().hex();
}

std::string before_of(const std::string& text, const std::string& mark) {
  return text.substr(0, text.find(mark));
}

std::string after_of(const std::string& text, const std::string& mark) {
  const std::size_t at = text.find(mark);
  return at == std::string::npos ? std::string() : text.substr(at + mark.size());
}

}  // namespace

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ec == std::errc()) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

FakeAnswer FakeOrigins::answer(const fetch::HttpRequest& request) {
  if (before) {
    if (auto own = before(request)) return *std::move(own);
  }
  FakeAnswer answer = plain(404);
  for (const char* origin : {kFakeHub, kFakeCdn, kFakeRegistry}) {
    if (!request.url.starts_with(std::string(origin) + "/")) continue;
    const std::string target = request.url.substr(std::string_view(origin).size());
    if (origin == kFakeHub) answer = hub(request, target);
    if (origin == kFakeCdn) answer = cdn(request, target);
    if (origin == kFakeRegistry) answer = registry(request, target);
  }
  if (after) after(request, answer);
  return answer;
}

FakeAnswer FakeOrigins::hub(const fetch::HttpRequest& request, const std::string& target) {
  if (target.starts_with("/api/models/")) return api(after_of(target, "/api/models/"));
  if (target.starts_with("/direct/")) {
    const std::string hex = after_of(before_of(target, "?"), "/direct/");
    return content(request, cdn_files_[hex]);
  }
  return resolve(target.substr(1));
}

FakeAnswer FakeOrigins::api(const std::string& target) {
  const std::string path = before_of(target, "?");
  const std::string kind = path.find("/tree/") == std::string::npos ? "/revision/" : "/tree/";
  const std::string id = before_of(path, kind);
  if (renamed.count(id) > 0) {
    return redirect(307, "/api/models/" + renamed[id] + kind + after_of(path, kind));
  }
  const auto repo = repos.find(id);
  if (repo == repos.end()) return hub_refusal(401, "", "Invalid username or password.");
  const std::string revision = percent_decode(after_of(path, kind));
  if (kind == "/tree/") return tree(id, repo->second, after_of(target, "?"));
  if (revision != "main" && revision != repo->second.commit) {
    return hub_refusal(404, "RevisionNotFound", "Invalid rev id");
  }
  return plain(200, R"({"id":")" + id + R"(","sha":")" + repo->second.commit +
                        R"(","private":false,"disabled":false,"gated":)" + repo->second.gated +
                        "}");
}

FakeAnswer FakeOrigins::tree(const std::string& id, const FakeRepo& repo,
                             const std::string& query) {
  std::size_t first = 0;
  const std::string cursor = after_of(query, "cursor=");
  std::from_chars(cursor.data(), cursor.data() + cursor.size(), first);
  json page = json::array();
  std::size_t index = 0;
  for (const auto& [path, file] : repo.files) {
    if (index++ < first || page.size() >= repo.page_size) continue;
    json entry = {{"type", "file"}, {"path", path}, {"size", file.bytes.size()}};
    entry["oid"] = git_oid(file.lfs ? "a pointer to " + path : file.bytes);
    if (file.lfs) {
      entry["lfs"] = {
          {"oid", sha256_hex(file.bytes)}, {"size", file.bytes.size()}, {"pointerSize", 130}};
    }
    page.push_back(entry);
  }
  FakeAnswer answer = plain(200, page.dump());
  const std::size_t next = first + page.size();
  if (next < repo.files.size()) {
    answer.headers.add("Link", "<" + std::string(kFakeHub) + "/api/models/" + id + "/tree/" +
                                   repo.commit + "?recursive=true&cursor=" + std::to_string(next) +
                                   ">; rel=\"next\"");
  }
  return answer;
}

FakeAnswer FakeOrigins::resolve(const std::string& target) {
  const auto repo = repos.find(before_of(target, "/resolve/"));
  if (repo == repos.end()) return hub_refusal(401, "", "Invalid username or password.");
  if (!repo->second.allowed) return hub_refusal(403, "GatedRepo", "you are not in the list");
  const std::string rest = after_of(target, "/resolve/");
  if (before_of(rest, "/") != repo->second.commit) return hub_refusal(404, "RevisionNotFound", "?");
  const auto file = repo->second.files.find(percent_decode(after_of(rest, "/")));
  if (file == repo->second.files.end()) {
    return hub_refusal(404, "EntryNotFound", "Entry not found");
  }
  const std::string hex = sha256_hex(file->second.bytes);
  cdn_files_[hex] = file->second.bytes;
  FakeAnswer answer = file->second.lfs ? redirect(302, sign(hex))
                                       : redirect(307, "/direct/" + hex + "?etag=%22x%22");
  answer.headers.add("X-Repo-Commit", repo->second.commit);
  if (!file->second.lfs) return answer;
  answer.headers.add("X-Linked-Size", std::to_string(file->second.bytes.size()));
  answer.headers.add("X-Linked-Etag", "\"" + hex + "\"");
  return answer;
}

std::string FakeOrigins::sign(const std::string& hex) {
  return std::string(kFakeCdn) + "/" + hex + "?Signature=s" + std::to_string(++signatures_);
}

FakeAnswer FakeOrigins::cdn(const fetch::HttpRequest& request, const std::string& target) {
  const bool fresh = used_signatures_.insert(after_of(target, "Signature=")).second;
  if (signatures_expire && !fresh) return plain(403, "expired");
  const auto file = cdn_files_.find(before_of(target.substr(1), "?"));
  if (file == cdn_files_.end()) return plain(404);
  return content(request, file->second);
}

FakeAnswer FakeOrigins::registry(const fetch::HttpRequest& request, const std::string& target) {
  if (target.starts_with("/token")) return plain(200, R"({"token":")" + registry_token + "\"}");
  const std::string path = after_of(target, "/v2/");
  if (!registry_token.empty() &&
      request.headers.get("Authorization") != "Bearer " + registry_token) {
    FakeAnswer refused = plain(401);
    refused.headers.add("WWW-Authenticate",
                        "Bearer realm=\"" + std::string(kFakeRegistry) +
                            "/token\",service=\"r\",scope=\"repository:x:pull\"");
    return refused;
  }
  const auto file = registry_files.find(path);
  if (file == registry_files.end()) {
    return plain(404, R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})");
  }
  if (!blobs_redirect || path.find("/blobs/") == std::string::npos) {
    return content(request, file->second);
  }
  const std::string hex = sha256_hex(file->second);
  cdn_files_[hex] = file->second;
  return redirect(307, sign(hex));
}

std::string FakeOrigins::add_model(const std::string& name, const std::string& tag,
                                   const std::string& gguf) {
  const auto layer = [&](const std::string& type, const std::string& bytes) {
    registry_files[name + "/blobs/sha256:" + sha256_hex(bytes)] = bytes;
    return json{
        {"mediaType", type}, {"digest", "sha256:" + sha256_hex(bytes)}, {"size", bytes.size()}};
  };
  // Odd spacing: the bytes have to be kept as they are.
  json manifest = {{"schemaVersion", 2},
                   {"mediaType", "application/vnd.docker.distribution.manifest.v2+json"},
                   {"config", layer("application/vnd.docker.container.image.v1+json",
                                    R"({"model_format":"gguf"})")}};
  manifest["layers"] = {layer("application/vnd.ollama.image.model", gguf),
                        layer("application/vnd.ollama.image.template", "{{ .Prompt }}"),
                        layer("application/vnd.ollama.image.license", "free"),
                        layer("application/vnd.ollama.image.license", "free")};
  const std::string bytes = manifest.dump(3) + "\n ";
  registry_files[name + "/manifests/" + tag] = bytes;
  return bytes;
}

}  // namespace castool::pull
