#include <string>

#include "fetch/redirect_policy.h"
#include "fetch/url.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace fetch = castool::fetch;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = castool::fuzz::text_of(data, size);
  const auto origin = fetch::origin_of(text);
  if (origin) {
    require(origin->scheme == "http" || origin->scheme == "https", "only http and https");
    require(!origin->host.empty(), "an origin has a host");
    require(origin->port >= 0 && origin->port <= 65535, "a port is a port");
  }
  require(fetch::redacted(text).find('?') == std::string::npos, "no query is said aloud");

  fetch::ResponseHead head;
  head.status = 302;
  head.headers.add("Location", std::string(text));
  head.peer_address = "8.8.8.8";
  const auto hop = fetch::next_hop({"https://hub.example/a/b?c", fetch::Reach::kAnywhere}, head, 0);
  if (!hop) return 0;
  require(hop->url.starts_with("https://"), "from https only to https");
  require(hop->url.find_first_of("\r\n\t \\") == std::string::npos, "nothing is injected");
  require(hop->reach == fetch::Reach::kPublicOnly, "from a public host to public hosts only");
  require(fetch::origin_of(hop->url).has_value(), "a hop can be requested");
  const auto same = fetch::join_url(hop->url, "");
  require(same && *same == *fetch::join_url(*same, ""), "joining settles");
  return 0;
}
