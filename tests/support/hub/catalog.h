// What the hub serves: repositories with their commits, and registry models.
//
// Read from plain directories:
//   <root>/hub/<org>/<name>/...        the files of branch main
//   <root>/hub/<org>/<name>@<rev>/...  those of another revision, encoded (refs%2Fpr%2F1)
//   <root>/hub/<org>/<name>.hub.json   its circumstances: {"private": bool, "gated": "auto",
//                                      "disabled": bool, "renamed_to": "org/name",
//                                      "tokens": [who has access; missing: every valid token]}
//   <root>/hub/<name>.hub.json         a renamed model of one part
//   <root>/registry/<ns>/<model>/manifests/<tag>    the bytes as they are
//   <root>/registry/<ns>/<model>/blobs/<any name>   served under their sha256
// A file `x.synthetic`, {"size": N, "seed": S}, stands for a file `x` of N made-up bytes (see
// content.h); its sha256 is kept beside it in `x.synthetic.sha256`, "<size> <seed> <hex>".
//
// A commit's id follows from its paths and contents. Commits that a reload replaces stay served.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "tests/support/hub/content.h"

namespace castool::hub {

struct HubFile {
  std::shared_ptr<const Content> content;
  std::string oid;     // git SHA-1 of the file, or of its LFS pointer
  std::string sha256;  // of LFS files, else empty
  std::string xet_hash;
  std::uint64_t pointer_size = 0;

  [[nodiscard]] bool is_lfs() const { return !sha256.empty(); }
};

struct Commit {
  std::string id;  // 40 hex
  std::map<std::string, HubFile> files;
};

struct Repository {
  bool is_private = false;
  std::string gated;  // empty, "auto" or "manual"
  bool disabled = false;
  bool limited = false;  // only `tokens` have access
  std::vector<std::string> tokens;
  std::string renamed_to;
  std::map<std::string, std::string> refs;  // "main", "refs/pr/1" -> commit id
  std::map<std::string, std::shared_ptr<const Commit>> commits;

  // By ref name or commit id; null if there is none.
  [[nodiscard]] std::shared_ptr<const Commit> find(const std::string& revision) const;
};

struct RegistryModel {
  std::map<std::string, std::string> manifests;                 // by tag and by "sha256:..."
  std::map<std::string, std::shared_ptr<const Content>> blobs;  // by "sha256:..."
};

struct Catalog {
  std::map<std::string, Repository> repositories;  // "org/name", or one part
  std::map<std::string, RegistryModel> models;     // "ns/model"
  // What the CDN has, by the last part of its paths: xet hash or sha256, 64 hex.
  std::map<std::string, std::shared_ptr<const Content>> cdn;

  using Contents = std::map<std::string, std::shared_ptr<const Content>>;
  // Adds a commit of these files and points `revision` at it; its id.
  std::string add_commit(const std::string& repository, const std::string& revision,
                         const Contents& files, std::uint64_t lfs_threshold);
  // Adds a blob to a model; its digest as text.
  std::string add_blob(const std::string& model, const std::shared_ptr<const Content>& blob);
  void add_manifest(const std::string& model, const std::string& tag, const std::string& bytes);
  // Commits and blobs of `older` whose repository or model is still here; branches and tags are
  // not.
  void keep_from(const Catalog& older);
};

// Adds what stands below `root` to `catalog`. Throws std::exception if something cannot be read.
void scan_root(const std::filesystem::path& root, std::uint64_t lfs_threshold, Catalog& catalog);

}  // namespace castool::hub
