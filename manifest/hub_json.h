// The Hub's API answers, parsed strictly. Facts: docs/semantics.md "The Hub". Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace castool::manifest {

// Of one answer; longer ones are kBadManifest, as is everything else here that cannot be read.
// Whether garbage means "try again" is the caller's decision.
inline constexpr std::size_t kMaxHubAnswerBytes = 64u << 20;

// GET /api/models/{id}[/revision/{rev}]
struct RepoInfo {
  std::string id;   // canonical: may differ from what was asked after a rename
  std::string sha;  // 40 hex
  bool is_private = false;
  bool disabled = false;
  bool gated = false;  // "auto" and "manual" are gated
};
[[nodiscard]] base::Result<RepoInfo> parse_repo_info(std::string_view json);

// One file of GET /api/models/{id}/tree/{sha}?recursive=true; directories are skipped.
struct TreeFile {
  std::string path;
  std::uint64_t size = 0;
  base::GitOid oid;                        // of the file, or of its pointer for LFS
  std::optional<base::Digest> lfs_sha256;  // LFS and Xet files
};
[[nodiscard]] base::Result<std::vector<TreeFile>> parse_tree_page(std::string_view json);

// The next page's address in a Link header value, if it names one (rel="next").
[[nodiscard]] std::optional<std::string> next_link(std::string_view link_header);

// The sentence in an error answer: X-Error-Message is the caller's, this reads `error` (string or
// list), `error_description`, `errors[].message`; empty when there is none. Control characters are
// replaced and the text is cut at 300 bytes.
[[nodiscard]] std::string error_sentence(std::string_view body);

}  // namespace castool::manifest
