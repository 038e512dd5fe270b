#include "api/origin_json.h"

#include <set>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hasher.h"

namespace castool::api {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What git has in place of a file in LFS (git-lfs' docs/spec.md).
std::string pointer_of(const manifest::FileEntry& file) {
  return fmt::format("version https://git-lfs.github.com/spec/v1\noid {}\nsize {}\n",
                     file.digest.text(), file.size);
}

std::string oid_of(const manifest::FileEntry& file) {
  if (file.git_oid) return file.git_oid->hex();
  const std::string pointer = pointer_of(file);
  base::GitBlobHasher hasher(pointer.size());
  hasher.update(std::as_bytes(std::span(pointer)));
  return hasher.finish().hex();
}

Json lfs_json(const manifest::FileEntry& file, const char* name) {
  Json json;
  json[name] = file.digest.hex();
  json["size"] = file.size;
  json["pointerSize"] = pointer_of(file).size();
  return json;
}

Json tree_entry(const manifest::FileEntry& file) {
  Json json;
  json["type"] = "file";
  json["oid"] = oid_of(file);
  json["size"] = file.size;
  if (!file.git_oid) json["lfs"] = lfs_json(file, "oid");
  json["path"] = file.path;
  return json;
}

// A directory's oid is git's tree id, which nobody reads and we do not have.
Json directory_entry(const std::string& path) {
  Json json;
  json["type"] = "directory";
  json["oid"] = std::string(40, '0');
  json["size"] = 0;
  json["path"] = path;
  return json;
}

}  // namespace

std::string etag_of(const manifest::FileEntry& file) {
  return file.git_oid ? file.git_oid->hex() : file.digest.hex();
}

std::string repo_info_body(const manifest::HubManifest& hub, WithBlobs with) {
  Json siblings = Json::array();
  for (const manifest::FileEntry& file : hub.files) {
    Json entry;
    entry["rfilename"] = file.path;
    if (with == WithBlobs::kYes) {
      entry["size"] = file.size;
      entry["blobId"] = oid_of(file);
      if (!file.git_oid) entry["lfs"] = lfs_json(file, "sha256");
    }
    siblings.push_back(std::move(entry));
  }
  Json json;
  json["id"] = hub.repo;
  json["modelId"] = hub.repo;
  json["sha"] = hub.commit;
  json["private"] = false;
  json["gated"] = false;
  json["disabled"] = false;
  json["siblings"] = std::move(siblings);
  return dump(json);
}

TreePage tree_page(const manifest::HubManifest& hub, Recursive recursive, const TreePlace& place) {
  const std::string prefix = place.folder.empty() ? "" : place.folder + '/';
  TreePage page;
  page.known = prefix.empty();
  Json list = Json::array();
  std::size_t number = 0;
  const auto add = [&](const auto& make) {
    if (number >= place.first && list.size() < place.most) list.push_back(make());
    ++number;
  };
  std::set<std::string> directories;
  for (const manifest::FileEntry& file : hub.files) {
    if (!file.path.starts_with(prefix)) continue;
    page.known = true;
    for (std::size_t slash = file.path.find('/', prefix.size()); slash != std::string::npos;
         slash = file.path.find('/', slash + 1)) {
      const std::string directory = file.path.substr(0, slash);
      if (directories.insert(directory).second) add([&] { return directory_entry(directory); });
      if (recursive == Recursive::kNo) break;
    }
    const bool deeper = file.path.find('/', prefix.size()) != std::string::npos;
    if (!deeper || recursive == Recursive::kYes) add([&] { return tree_entry(file); });
  }
  if (number > place.first + list.size()) page.next = place.first + list.size();
  page.body = dump(list);
  return page;
}

std::string refs_body(const manifest::HubManifest& hub, const std::string& revision) {
  Json branches = Json::array();
  if (!revision.empty() && revision != hub.commit) {
    Json branch;
    branch["name"] = revision;
    branch["ref"] = "refs/heads/" + revision;
    branch["targetCommit"] = hub.commit;
    branches.push_back(std::move(branch));
  }
  Json json;
  json["branches"] = std::move(branches);
  json["tags"] = Json::array();
  json["converts"] = Json::array();
  return dump(json);
}

std::string registry_error_body(std::string_view code, std::string_view message) {
  Json error;
  error["code"] = code;
  error["message"] = message;
  Json json;
  json["errors"] = Json::array({std::move(error)});
  return dump(json);
}

}  // namespace castool::api
