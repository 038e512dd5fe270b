// Hub manifests, ours: print_hub_manifest() and parse_hub_manifest() of manifest.h.
//
// Canonical form (docs/manifest-format.md): one object, members in this order, no blanks, one file
// a line, files in the order of their path bytes, "\n" at the end:
//   {"format":1,"kind":"hub","endpoint":E,"repo":R,"commit":C,"files":[
//   {"path":P,"digest":"sha256:…","size":N},
//   {"path":P,"digest":"sha256:…","size":N,"git_oid":G}
//   ]}
#include <algorithm>
#include <string>
#include <utility>

#include "manifest/json_value.h"
#include "manifest/manifest.h"
#include "manifest/name_rules.h"
#include "manifest/path_rules.h"
#include "manifest/printable.h"
#include "manifest/utf8.h"

namespace castool::manifest {
namespace {

constexpr std::string_view kWhat = "hub manifest";
constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kMaxValues = 4'000'000;
constexpr std::uint64_t kMaxTotal = (std::uint64_t{1} << 63) - 1;

base::Error bad(std::string message) {
  return base::make_error(base::Code::kBadManifest, std::string(kWhat) + ": " + std::move(message));
}

void print_file(const FileEntry& file, std::string& out) {
  out += "{\"path\":";
  out += json_quote(file.path);
  out += ",\"digest\":\"";
  out += file.digest.text();
  out += "\",\"size\":";
  out += std::to_string(file.size);
  if (file.git_oid) {
    out += ",\"git_oid\":\"";
    out += file.git_oid->hex();
    out += '"';
  }
  out += '}';
}

base::Result<FileEntry> parse_file(const JsonValue& value) {
  if (value.object() == nullptr) return bad("files: an entry that is not an object");
  const JsonFields fields(value, kWhat);
  FileEntry file;
  CASTOOL_ASSIGN(file.path, fields.string("path"));
  CASTOOL_RETURN_IF_ERROR(check_path(file.path));
  CASTOOL_ASSIGN(const std::string digest, fields.string("digest"));
  CASTOOL_ASSIGN(file.digest, base::Digest::parse(digest));
  CASTOOL_ASSIGN(file.size, fields.size("size"));
  CASTOOL_ASSIGN(const std::string oid, fields.string_or("git_oid", ""));
  if (!oid.empty()) {
    CASTOOL_ASSIGN(file.git_oid, base::GitOid::parse_hex(oid));
  }
  return file;
}

// http(s)://host[:port][/path], nothing that could carry a credential or end a line.
bool is_endpoint(std::string_view text) {
  const bool scheme = text.starts_with("https://") || text.starts_with("http://");
  const bool plain = std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7f && c != '@' && c != '?' && c != '#' && c != '"' && c != '\\';
  });
  return scheme && plain && !text.ends_with('/') && text.size() <= 2048;
}

base::Status check_head(const JsonFields& fields, HubManifest& manifest) {
  CASTOOL_ASSIGN(const std::uint64_t format, fields.size("format"));
  if (format != kFormat) {
    return base::make_error(base::Code::kUnsupported,
                            "hub manifest of format " + std::to_string(format),
                            "a newer castool wrote it: use that one");
  }
  CASTOOL_ASSIGN(const std::string kind, fields.string("kind"));
  if (kind != "hub") return fields.error("kind", "not \"hub\"");
  CASTOOL_ASSIGN(manifest.endpoint, fields.string("endpoint"));
  if (!is_endpoint(manifest.endpoint)) return fields.error("endpoint", "not an http(s) address");
  CASTOOL_ASSIGN(manifest.repo, fields.string("repo"));
  if (!is_hub_repo(manifest.repo)) return fields.error("repo", "not a repository of the Hub");
  CASTOOL_ASSIGN(manifest.commit, fields.string("commit"));
  CASTOOL_RETURN_IF_ERROR(base::GitOid::parse_hex(manifest.commit));
  return base::ok();
}

base::Status check_files(const std::vector<FileEntry>& files) {
  std::uint64_t total = 0;
  std::vector<std::string> paths;
  paths.reserve(files.size());
  for (const FileEntry& file : files) {
    if (!paths.empty() && !(paths.back() < file.path)) {
      return bad("files: " + printable(file.path) + " is out of order or twice there");
    }
    if (file.size > kMaxTotal - total) return bad("the sizes exceed 2^63-1 bytes");
    total += file.size;
    paths.push_back(file.path);
  }
  return check_path_set(paths);
}

}  // namespace

std::string print_hub_manifest(const HubManifest& manifest) {
  std::vector<const FileEntry*> files;
  files.reserve(manifest.files.size());
  for (const FileEntry& file : manifest.files) files.push_back(&file);
  std::ranges::sort(files, {},
                    [](const FileEntry* file) -> const std::string& { return file->path; });
  std::string out = "{\"format\":" + std::to_string(kFormat) +
                    ",\"kind\":\"hub\",\"endpoint\":" + json_quote(manifest.endpoint) +
                    ",\"repo\":" + json_quote(manifest.repo) +
                    ",\"commit\":" + json_quote(manifest.commit) + ",\"files\":[\n";
  for (const FileEntry* file : files) {
    print_file(*file, out);
    out += file == files.back() ? "\n" : ",\n";
  }
  return out + "]}\n";
}

base::Result<HubManifest> parse_hub_manifest(std::string_view json) {
  const JsonLimits limits{kMaxHubManifestBytes, kMaxValues, kMaxJsonDepth};
  CASTOOL_ASSIGN(const JsonValue root, parse_json(json, limits, kWhat));
  if (root.object() == nullptr) return bad("not an object");
  const JsonFields fields(root, kWhat);
  HubManifest manifest;
  CASTOOL_RETURN_IF_ERROR(check_head(fields, manifest));
  CASTOOL_ASSIGN(const JsonValue::Array* files, fields.array("files"));
  if (files->size() > kMaxHubFiles) return bad("more than 200000 files");
  manifest.files.reserve(files->size());
  for (const JsonValue& value : *files) {
    CASTOOL_ASSIGN(FileEntry file, parse_file(value));
    manifest.files.push_back(std::move(file));
  }
  CASTOOL_RETURN_IF_ERROR(check_files(manifest.files));
  return manifest;
}

}  // namespace castool::manifest
