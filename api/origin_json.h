// The Hub's answers about a repository, as its clients read them. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "manifest/manifest.h"

namespace castool::api {

enum class WithBlobs { kNo, kYes };
// GET /api/models/{id}[/revision/{rev}][?blobs=true]
[[nodiscard]] std::string repo_info_body(const manifest::HubManifest& hub, WithBlobs with);
// GET /api/models/{id}/tree/{rev}[/{folder}][?recursive=true]: without it the first level only.
enum class Recursive { kNo, kYes };
inline constexpr std::size_t kMostTreeEntries = 1000;  // on a page, as the Hub's own
struct TreePlace {
  std::string folder;     // empty: the top
  std::size_t first = 0;  // how many entries the pages before have
  std::size_t most = kMostTreeEntries;
};
struct TreePage {
  std::string body;
  bool known = false;    // whether there is such a folder
  std::size_t next = 0;  // where the next page begins; 0: this is the last one
};
[[nodiscard]] TreePage tree_page(const manifest::HubManifest& hub, Recursive recursive,
                                 const TreePlace& place);
// GET /api/models/{id}/refs: the branch `revision`, unless that is the commit itself.
[[nodiscard]] std::string refs_body(const manifest::HubManifest& hub, const std::string& revision);

// What ETag says of a file: its git id, or the sha256 of one in LFS.
[[nodiscard]] std::string etag_of(const manifest::FileEntry& file);
// {"errors":[{"code":CODE,"message":…}]} of a registry.
[[nodiscard]] std::string registry_error_body(std::string_view code, std::string_view message);

}  // namespace castool::api
