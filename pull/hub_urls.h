// Addresses of the Hub's API. Pure.
//
// A revision is percent-encoded whole ("refs/pr/1" is one segment); a file's path keeps its '/'.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::pull {

// HF_ENDPOINT as we use it: http or https, no trailing '/'. kUsage else.
[[nodiscard]] base::Result<std::string> clean_endpoint(std::string_view endpoint,
                                                       std::string_view variable);

[[nodiscard]] std::string repo_info_url(std::string_view endpoint, std::string_view repo,
                                        std::string_view revision);
[[nodiscard]] std::string tree_url(std::string_view endpoint, std::string_view repo,
                                   std::string_view commit);
[[nodiscard]] std::string resolve_url(std::string_view endpoint, std::string_view repo,
                                      std::string_view commit, std::string_view path);

// The address of the next tree page, from its Link header: on the endpoint itself, or re-rooted
// there when a mirror left the public Hub's name in it; kUnavailable for any other host, because
// half a listing must not pass for a whole one.
[[nodiscard]] base::Result<std::string> next_page_url(std::string_view endpoint,
                                                      std::string_view link);

}  // namespace castool::pull
