// What lies at a path that is to be imported. Reads names and small files only.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "manifest/json_value.h"
#include "manifest/manifest.h"
#include "manifest/name_rules.h"
#include "manifest/path_rules.h"
#include "manifest/printable.h"
#include "pull/import.h"

namespace castool::pull {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::make_error;
using base::Result;

using Models = std::vector<ImportModel>;

constexpr std::uintmax_t kMaxSmall = 4 << 20;

bool is_dir(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::optional<std::string> read_small(const fs::path& path) {
  std::error_code failure;
  const auto size = fs::file_size(path, failure);
  if (failure || size > kMaxSmall) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string first_line(std::string text) {
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  return text;
}

std::vector<fs::path> entries(const fs::path& directory) {
  std::error_code ignored;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) paths.push_back(entry);
  std::ranges::sort(paths);
  return paths;
}

// Regular files and links below `directory`, without what tools leave of their own.
Result<std::vector<std::string>> files_below(const fs::path& directory) {
  std::vector<std::string> files;
  std::error_code failure;
  auto walk = fs::recursive_directory_iterator(directory, failure);
  for (; !failure && walk != fs::recursive_directory_iterator(); walk.increment(failure)) {
    const std::string name = walk->path().filename().string();
    if (walk->is_directory(failure) && !walk->is_symlink(failure)) {
      if (name == ".git" || name == ".cache") walk.disable_recursion_pending();
      continue;
    }
    if (name == ".git" || name == ".gitattributes.lock") continue;
    files.push_back(walk->path().lexically_relative(directory).string());
  }
  if (failure) return base::errno_error(failure.value(), "read " + directory.string());
  std::ranges::sort(files);
  for (const std::string& file : files) CASTOOL_RETURN_IF_ERROR(manifest::check_path(file));
  if (files.empty()) {
    return make_error(Code::kNotFound, "there is no file in " + directory.string());
  }
  return files;
}

Result<ImportModel> plain_directory(const fs::path& directory, const std::string& name) {
  ImportModel model;
  CASTOOL_ASSIGN(model.name, manifest::parse_custom_name(name));
  model.root = directory.string();
  CASTOOL_ASSIGN(const auto files, files_below(directory));
  for (const std::string& file : files) model.files.push_back({file, file, {}, {}});
  return model;
}

Result<Models> one_file(const fs::path& file, const std::optional<std::string>& name) {
  std::ifstream in(file, std::ios::binary);
  std::string magic(4, '\0');
  in.read(magic.data(), 4);
  if (magic != "GGUF") {
    return make_error(Code::kUsage, file.string() + " is no GGUF file",
                      "a directory is imported with everything in it");
  }
  ImportModel model;
  CASTOOL_ASSIGN(model.name, manifest::parse_custom_name(name.value_or(file.stem().string())));
  model.root = file.parent_path().string();
  const std::string leaf = file.filename().string();
  CASTOOL_RETURN_IF_ERROR(manifest::check_path(leaf));
  model.files.push_back({leaf, leaf, {}, {}});
  return Models{std::move(model)};
}

Result<ImportModel> ollama_model(const fs::path& root, const fs::path& manifest_file) {
  const fs::path relative = manifest_file.lexically_relative(root / "manifests");
  std::vector<std::string> parts;
  for (const auto& part : relative) parts.push_back(part.string());
  const bool well_named = parts.size() == 4 && manifest::is_ollama_host(parts[0]) &&
                          manifest::is_ollama_namespace(parts[1]) &&
                          manifest::is_ollama_part(parts[2]) && manifest::is_ollama_part(parts[3]);
  if (!well_named) {
    return make_error(Code::kUsage, "not host/namespace/model/tag: " + relative.string());
  }
  const auto bytes = read_small(manifest_file);
  if (!bytes) return make_error(Code::kIo, "cannot read " + manifest_file.string());
  CASTOOL_ASSIGN(const auto parsed, manifest::parse_ollama_manifest(*bytes));
  ImportModel model;
  model.kind = manifest::ModelKind::kOllama;
  model.root = root.string();
  model.source = manifest::OllamaSource{"https", parts[0], parts[1], parts[2], parts[3]};
  model.name = manifest::ref_name(*model.source);
  model.revision = parts[3];
  model.manifest_bytes = *bytes;
  for (const auto& layer : parsed.distinct_blobs()) {
    model.files.push_back(
        {layer.digest.text(), "blobs/sha256-" + layer.digest.hex(), layer.digest, {}});
  }
  return model;
}

Result<Models> ollama_tree(const fs::path& root) {
  Models models;
  std::error_code failure;
  auto walk = fs::recursive_directory_iterator(root / "manifests", failure);
  std::vector<fs::path> manifests;
  for (; !failure && walk != fs::recursive_directory_iterator(); walk.increment(failure)) {
    if (walk->is_regular_file(failure)) manifests.push_back(walk->path());
  }
  if (failure) return base::errno_error(failure.value(), "read " + root.string());
  std::ranges::sort(manifests);
  for (const auto& path : manifests) {
    auto model = ollama_model(root, path);
    if (!model) return std::move(model).error().in(path.string());
    models.push_back(*std::move(model));
  }
  return models;
}

// The cache names blobs by what the Hub calls them: sha256 of large files, git's id of others.
void expect_cached(const fs::path& repository, const std::string& snapshot, ImportFile& file) {
  std::error_code failure;
  const auto target = fs::read_symlink(repository / snapshot / file.path, failure);
  if (failure) return;
  const std::string name = target.filename().string();
  if (const auto digest = base::Digest::parse_hex(name)) file.digest = *digest;
  if (const auto oid = base::GitOid::parse_hex(name)) file.git_oid = *oid;
}

Result<Models> cached_repository(const fs::path& repository) {
  constexpr std::string_view kPrefix = "models--";
  std::string repo = repository.filename().string().substr(kPrefix.size());
  if (const auto dashes = repo.find("--"); dashes != std::string::npos) {
    repo.replace(dashes, 2, "/");
  }
  if (!manifest::is_hub_repo(repo)) {
    return make_error(Code::kUsage, "not a repository's name: " + manifest::printable(repo));
  }
  Models models;
  // One name has one revision: the default one if it is there.
  std::string revision(manifest::kDefaultRevision);
  auto commit = read_small(repository / "refs" / revision);
  if (!commit) {
    for (const auto& ref : entries(repository / "refs")) {
      revision = ref.filename().string();
      commit = read_small(ref);
      if (commit) break;
    }
  }
  if (!commit) return models;
  ImportModel model;
  model.revision = first_line(*commit);
  CASTOOL_RETURN_IF_ERROR(base::GitOid::parse_hex(model.revision));
  CASTOOL_RETURN_IF_ERROR(manifest::check_revision(revision));
  model.root = repository.string();
  model.source = manifest::HubSource{repo, revision};
  model.name = repo;
  const std::string snapshot = "snapshots/" + model.revision;
  CASTOOL_ASSIGN(const auto files, files_below(repository / snapshot));
  for (const std::string& path : files) {
    ImportFile file{path, snapshot + "/" + path, {}, {}};
    expect_cached(repository, snapshot, file);
    model.files.push_back(std::move(file));
  }
  models.push_back(std::move(model));
  return models;
}

bool is_cached_repository(const fs::path& path) {
  return path.filename().string().starts_with("models--") && is_dir(path / "snapshots");
}

Result<Models> hub_cache(const fs::path& root) {
  Models models;
  for (const auto& path : entries(root)) {
    if (!is_cached_repository(path)) continue;
    auto more = cached_repository(path);
    if (!more) return std::move(more).error().in(path.string());
    std::ranges::move(*more, std::back_inserter(models));
  }
  return models;
}

// Where the models of an OVMS repository lie, relative to it; empty: it is none.
std::vector<std::string> ovms_models(const fs::path& root) {
  std::vector<std::string> places;
  const auto text = read_small(root / "config.json");
  if (!text) return places;
  const auto json = manifest::parse_json(*text, {kMaxSmall, 100'000, 32}, "config.json");
  if (!json || json->object() == nullptr) return places;
  for (const char* list : {"model_config_list", "mediapipe_config_list"}) {
    const auto* entries_of = json->find(list);
    if (entries_of == nullptr || entries_of->array() == nullptr) continue;
    for (const auto& entry : *entries_of->array()) {
      const auto* config = entry.find("config");
      const auto* path = (config == nullptr ? entry : *config).find("base_path");
      if (path != nullptr && path->string() != nullptr) places.push_back(*path->string());
    }
  }
  return places;
}

Result<Models> ovms_repository(const fs::path& root, const std::vector<std::string>& places) {
  Models models;
  for (const std::string& place : places) {
    std::string relative = fs::path(place).is_absolute()
                               ? fs::path(place).lexically_relative(root).string()
                               : fs::path(place).lexically_normal().string();
    while (relative.ends_with('/')) relative.pop_back();
    if (!manifest::check_path(relative)) {
      return make_error(Code::kUsage,
                        "config.json names a model outside: " + manifest::printable(place));
    }
    CASTOOL_ASSIGN(auto model, plain_directory(root / relative, relative));
    models.push_back(std::move(model));
  }
  return models;
}

}  // namespace

Result<Models> scan_import(const std::string& text, const std::optional<std::string>& name) {
  std::error_code failure;
  const fs::path path = fs::canonical(text, failure);
  if (failure) return base::make_error(Code::kNotFound, text + ": " + failure.message());
  if (!is_dir(path)) return one_file(path, name);
  const auto places = ovms_models(path);
  const bool ollama = is_dir(path / "manifests") && is_dir(path / "blobs");
  const bool one_cached = is_cached_repository(path);
  const bool cache = std::ranges::any_of(entries(path), is_cached_repository);
  const bool tree = ollama || one_cached || cache || !places.empty();
  if (tree && name) {
    return make_error(Code::kUsage, "models of a tree keep their names", "leave the NAME out");
  }
  if (ollama) return ollama_tree(path);
  if (one_cached) return cached_repository(path);
  if (cache) return hub_cache(path);
  if (!places.empty()) return ovms_repository(path, places);
  CASTOOL_ASSIGN(auto model, plain_directory(path, name.value_or(path.filename().string())));
  return Models{std::move(model)};
}

}  // namespace castool::pull
