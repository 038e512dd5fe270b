// What a test can set on the running hub (POST /_hub/settings, a JSON object with any of the keys
// below, named as the members; unknown keys and wrong types are refused).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace castool::hub {

struct Settings {
  // Hub
  std::uint64_t page_size = 1000;          // entries of a tree page at most
  std::uint64_t lfs_threshold = 1U << 20;  // files of this size are LFS files; next reload
  std::string regular_style = "redirect";  // or "direct": how resolve answers for regular files
  std::string link_base;                // scheme and host of the Link to the next page; empty: ours
  std::vector<std::string> tokens;      // those that are valid; empty: every bearer token is
  std::uint64_t rate_limit_api = 1000;  // the Hub's fixed window, per token
  std::uint64_t rate_limit_resolvers = 5000;
  std::uint64_t rate_limit_window = 300;  // seconds
  bool enforce_rate_limits = false;       // answer 429 when the window is used up

  // Registry
  std::string blob_style = "redirect";  // 307 to the CDN; "found": 302; "direct": 200;
                                        // "location": 200 that carries a Location
  bool registry_auth = false;           // ask for a token of /v2/token
  std::string realm;                    // of the challenge; empty: our /v2/token
  double token_seconds = 300;           // life of those tokens

  // CDN
  double signature_seconds = 3600;  // life of a signed address

  // Both origins
  std::uint64_t latency_ms = 0;        // before every response
  std::uint64_t bytes_per_second = 0;  // of each connection; 0: as fast as it goes
  std::uint64_t max_connections = 0;   // of each origin, more are reset; 0: no limit

  // Throws std::invalid_argument with the key's name; then nothing has changed.
  void update(const nlohmann::json& values);
  [[nodiscard]] nlohmann::json to_json() const;
};

}  // namespace castool::hub
