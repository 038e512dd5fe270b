#include "tests/support/hub/catalog.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hasher.h"
#include "tests/support/hub/http.h"

namespace castool::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSynthetic = ".synthetic";
constexpr std::string_view kSyntheticSum = ".synthetic.sha256";
constexpr std::string_view kCircumstances = ".hub.json";

std::string read_text(const fs::path& path) { return bytes_of(FileContent(path)); }

// A synthetic file with the digest that is kept beside its description.
class DescribedContent final : public Content {
 public:
  explicit DescribedContent(const fs::path& description)
      : DescribedContent(nlohmann::json::parse(read_text(description)), description) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] bool read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    return bytes_.read_at(offset, out);
  }
  [[nodiscard]] const base::Digest& digest() const { return digest_; }

 private:
  DescribedContent(const nlohmann::json& values, const fs::path& description)
      : bytes_(values.at("size").get<std::uint64_t>(), values.at("seed").get<std::uint64_t>()) {
    const std::string key = fmt::format("{} {} ", size(), values.at("seed").get<std::uint64_t>());
    const fs::path sum_path = description.string() + ".sha256";
    if (fs::exists(sum_path)) {
      const std::string line = read_text(sum_path);
      const auto known = base::Digest::parse_hex(line.substr(std::min(key.size(), line.size())));
      if (line.starts_with(key) && known) {
        digest_ = *known;
        return;
      }
    }
    digest_ = sha256_of(bytes_);
    std::ofstream(sum_path) << key << digest_.hex();
  }

  SyntheticContent bytes_;
  base::Digest digest_;
};

base::Digest digest_of(const Content& content) {
  const auto* described = dynamic_cast<const DescribedContent*>(&content);
  return described != nullptr ? described->digest() : sha256_of(content);
}

Catalog::Contents scan_files(const fs::path& directory) {
  Catalog::Contents files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::string path = fs::relative(entry.path(), directory).string();
    if (path.ends_with(kSyntheticSum)) continue;
    if (path.ends_with(kSynthetic)) {
      path.resize(path.size() - kSynthetic.size());
      files[path] = std::make_shared<DescribedContent>(entry.path());
    } else {
      files[path] = std::make_shared<FileContent>(entry.path());
    }
  }
  return files;
}

void read_circumstances(const fs::path& path, Repository& repository) {
  const nlohmann::json values = nlohmann::json::parse(read_text(path));
  repository.is_private = values.value("private", false);
  repository.gated = values.value("gated", "");
  repository.disabled = values.value("disabled", false);
  repository.limited = values.contains("tokens");
  repository.tokens = values.value("tokens", std::vector<std::string>());
  repository.renamed_to = values.value("renamed_to", "");
}

// One entry below <root>/hub/<org> (`prefix` "org/") or <root>/hub itself (`prefix` empty).
void scan_repository(const fs::path& path, const std::string& prefix, std::uint64_t lfs_threshold,
                     Catalog& catalog) {
  const std::string name = path.filename().string();
  if (name.ends_with(kCircumstances)) {
    const std::string bare = name.substr(0, name.size() - kCircumstances.size());
    read_circumstances(path, catalog.repositories[prefix + bare]);
  } else if (fs::is_directory(path) && !prefix.empty()) {
    const std::size_t at = name.find('@');
    const std::string revision =
        at == std::string::npos ? "main" : percent_decode(name.substr(at + 1));
    catalog.add_commit(prefix + name.substr(0, at), revision, scan_files(path), lfs_threshold);
  }
}

void scan_model(const fs::path& path, const std::string& id, Catalog& catalog) {
  catalog.models[id] = {};
  if (fs::exists(path / "blobs")) {
    for (const auto& [name, content] : scan_files(path / "blobs")) catalog.add_blob(id, content);
  }
  if (!fs::exists(path / "manifests")) return;
  for (const auto& [tag, content] : scan_files(path / "manifests")) {
    catalog.add_manifest(id, tag, bytes_of(*content));
  }
}

bool is_lfs_file(const std::string& path, std::uint64_t size, std::uint64_t threshold) {
  if (size == 0) return false;
  return size >= threshold || path.ends_with(".bin") || path.ends_with(".gguf") ||
         path.ends_with(".safetensors");
}

HubFile describe(const std::string& path, const std::shared_ptr<const Content>& content,
                 std::uint64_t lfs_threshold) {
  HubFile file;
  file.content = content;
  if (!is_lfs_file(path, content->size(), lfs_threshold)) {
    file.oid = git_oid_of(*content).hex();
    return file;
  }
  file.sha256 = digest_of(*content).hex();
  // Any 64 hex that are not the sha256 do; the real one is a Merkle root that nobody checks here.
  file.xet_hash = base::Sha256::of("xet " + file.sha256).hex();
  const std::string pointer =
      fmt::format("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
                  file.sha256, content->size());
  file.pointer_size = pointer.size();
  file.oid = git_oid_of(MemoryContent(pointer)).hex();
  return file;
}

}  // namespace

std::shared_ptr<const Commit> Repository::find(const std::string& revision) const {
  const auto ref = refs.find(revision);
  const auto found = commits.find(ref == refs.end() ? revision : ref->second);
  return found == commits.end() ? nullptr : found->second;
}

std::string Catalog::add_commit(const std::string& repository, const std::string& revision,
                                const Contents& files, std::uint64_t lfs_threshold) {
  auto commit = std::make_shared<Commit>();
  std::string listing = repository + "\n";
  for (const auto& [path, content] : files) {
    const HubFile& file = commit->files[path] = describe(path, content, lfs_threshold);
    if (file.is_lfs()) cdn[file.xet_hash] = content;
    listing += fmt::format("{} {}\n", file.oid, path);
  }
  commit->id = base::Sha256::of(listing).hex().substr(0, 2 * base::GitOid::kSize);
  Repository& entry = repositories[repository];
  entry.refs[revision] = commit->id;
  const std::string id = commit->id;
  entry.commits[id] = std::move(commit);
  return id;
}

std::string Catalog::add_blob(const std::string& model,
                              const std::shared_ptr<const Content>& blob) {
  const base::Digest digest = digest_of(*blob);
  models[model].blobs[digest.text()] = blob;
  cdn[digest.hex()] = blob;
  return digest.text();
}

void Catalog::add_manifest(const std::string& model, const std::string& tag,
                           const std::string& bytes) {
  models[model].manifests[tag] = bytes;
  models[model].manifests[base::Sha256::of(bytes).text()] = bytes;
}

void Catalog::keep_from(const Catalog& older) {
  for (auto& [id, repository] : repositories) {
    if (const auto before = older.repositories.find(id); before != older.repositories.end()) {
      repository.commits.insert(before->second.commits.begin(), before->second.commits.end());
    }
  }
  for (auto& [id, model] : models) {
    if (const auto before = older.models.find(id); before != older.models.end()) {
      model.blobs.insert(before->second.blobs.begin(), before->second.blobs.end());
    }
  }
  cdn.insert(older.cdn.begin(), older.cdn.end());
}

void scan_root(const fs::path& root, std::uint64_t lfs_threshold, Catalog& catalog) {
  const fs::path hub = root / "hub";
  if (fs::exists(hub)) {
    for (const fs::directory_entry& org : fs::directory_iterator(hub)) {
      if (!org.is_directory()) {
        scan_repository(org.path(), "", lfs_threshold, catalog);
        continue;
      }
      for (const fs::directory_entry& entry : fs::directory_iterator(org.path())) {
        scan_repository(entry.path(), org.path().filename().string() + "/", lfs_threshold, catalog);
      }
    }
  }
  const fs::path registry = root / "registry";
  if (!fs::exists(registry)) return;
  for (const fs::directory_entry& ns : fs::directory_iterator(registry)) {
    for (const fs::directory_entry& model : fs::directory_iterator(ns.path())) {
      const std::string id = ns.path().filename().string() + "/" + model.path().filename().string();
      scan_model(model.path(), id, catalog);
    }
  }
}

}  // namespace castool::hub
