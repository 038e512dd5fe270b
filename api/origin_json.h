// The Hub's answers about a repository, as its clients read them. Pure.
#pragma once

#include <string>
#include <string_view>

#include "manifest/manifest.h"

namespace castool::api {

enum class WithBlobs { kNo, kYes };
// GET /api/models/{id}[/revision/{rev}][?blobs=true]
[[nodiscard]] std::string repo_info_body(const manifest::HubManifest& hub, WithBlobs with);
// GET /api/models/{id}/tree/{rev}[?recursive=true]: without it the first level only.
enum class Recursive { kNo, kYes };
[[nodiscard]] std::string tree_body(const manifest::HubManifest& hub, Recursive recursive);
// GET /api/models/{id}/refs
[[nodiscard]] std::string refs_body(const manifest::HubManifest& hub);

// What ETag says of a file: its git id, or the sha256 of one in LFS.
[[nodiscard]] std::string etag_of(const manifest::FileEntry& file);
// {"errors":[{"code":CODE,"message":…}]} of a registry.
[[nodiscard]] std::string registry_error_body(std::string_view code, std::string_view message);

}  // namespace castool::api
