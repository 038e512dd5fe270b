#include "pull/hub_urls.h"

#include <fmt/format.h>

#include "fetch/http_client.h"

namespace castool::pull {
namespace {

constexpr std::string_view kPublicHub = "huggingface.co";

// Path and query of an absolute URL.
std::string_view after_authority(std::string_view url) {
  const std::size_t authority = url.find("://");
  if (authority == std::string_view::npos) return {};
  const std::size_t path = url.find('/', authority + 3);
  return path == std::string_view::npos ? std::string_view() : url.substr(path);
}

}  // namespace

base::Result<std::string> clean_endpoint(std::string_view endpoint, std::string_view variable) {
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  auto origin = fetch::origin_of(endpoint);
  if (!origin || (origin->scheme != "https" && origin->scheme != "http")) {
    return base::make_error(base::Code::kUsage,
                            fmt::format("{} is not an http or https address", variable),
                            "such as https://huggingface.co");
  }
  return std::string(endpoint);
}

std::string repo_info_url(std::string_view endpoint, std::string_view repo,
                          std::string_view revision) {
  return fmt::format("{}/api/models/{}/revision/{}", endpoint, fetch::percent_encode(repo, "/"),
                     fetch::percent_encode(revision));
}

std::string tree_url(std::string_view endpoint, std::string_view repo, std::string_view commit) {
  return fmt::format("{}/api/models/{}/tree/{}?recursive=true&expand=false", endpoint,
                     fetch::percent_encode(repo, "/"), fetch::percent_encode(commit));
}

std::string resolve_url(std::string_view endpoint, std::string_view repo, std::string_view commit,
                        std::string_view path) {
  return fmt::format("{}/{}/resolve/{}/{}", endpoint, fetch::percent_encode(repo, "/"),
                     fetch::percent_encode(commit), fetch::percent_encode(path, "/"));
}

base::Result<std::string> next_page_url(std::string_view endpoint, std::string_view link) {
  CASTOOL_ASSIGN(const std::string url, fetch::join_url(std::string(endpoint) + "/", link));
  CASTOOL_ASSIGN(const fetch::Origin home, fetch::origin_of(endpoint));
  CASTOOL_ASSIGN(const fetch::Origin target, fetch::origin_of(url));
  if (target == home) return url;
  if (target.host == kPublicHub) {
    return fmt::format("{}{}", endpoint, after_authority(url));
  }
  return base::make_error(
      base::Code::kUnavailable,
      fmt::format("the file listing continues on another host, {}, which is not asked",
                  target.host));
}

}  // namespace castool::pull
