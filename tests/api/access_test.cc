#include "api/access.h"

#include <gmock/gmock.h>

namespace castool::api {
namespace {

Request request(std::string method, std::optional<std::string> host) {
  Request made;
  made.method = std::move(method);
  made.path = "/api/tags";
  made.host = std::move(host);
  return made;
}

int status_of(const AccessRules& rules, const Request& asked) {
  const auto refused = refuse(rules, asked);
  return refused ? refused->status : 0;
}

TEST(Access, TakesItsOwnHostsOnly) {
  const AccessRules loopback = {"127.0.0.1", "gpu1", ""};
  for (const char* host : {"localhost", "LocalHost:1", "127.0.0.1:11435", "[::1]", "[::1]:80"}) {
    EXPECT_TRUE(is_own_host(loopback, host)) << host;
  }
  for (const char* host :
       {"", "evil.example", "localhost.evil", "evil-localhost", "127.0.0.2", "[::2]", "[::1", "::1",
        "localhost:", "localhost:80x", "localhost:123456", "[::1]x", "a@localhost", "localhost "}) {
    EXPECT_FALSE(is_own_host(loopback, host)) << host;
  }
  const AccessRules everywhere = {"0.0.0.0", "gpu1", ""};
  EXPECT_TRUE(is_own_host(everywhere, "192.168.1.7:11435"));
  EXPECT_TRUE(is_own_host(everywhere, "[fe80::1]:11435"));
  EXPECT_FALSE(is_own_host(everywhere, "evil.example"));
  EXPECT_FALSE(is_own_host(everywhere, "0x7f.1"));
  EXPECT_TRUE(is_own_host(everywhere, "GPU1:11435"));
  EXPECT_FALSE(is_own_host(everywhere, "gpu1.evil.example"));
  EXPECT_FALSE(is_own_host(loopback, "gpu1"));
  EXPECT_TRUE(is_own_host({"10.1.2.3", "gpu1", ""}, "10.1.2.3:80"));
  EXPECT_FALSE(is_own_host({"10.1.2.3", "gpu1", ""}, "10.1.2.4"));
}

TEST(Access, AsksForAHostOverTcpOnly) {
  const AccessRules rules = {"127.0.0.1", "gpu1", ""};
  EXPECT_EQ(status_of(rules, request("GET", std::nullopt)), 403);
  Request local = request("GET", std::nullopt);
  local.arrival = Arrival::kUnixSocket;
  EXPECT_EQ(status_of(rules, local), 0);
}

TEST(Access, TakesKnownOriginsWithJsonOnly) {
  const AccessRules rules = {"127.0.0.1", "gpu1", ""};
  struct Row {
    const char* method;
    const char* origin;
    const char* type;
    int status;
  };
  const Row rows[] = {
      {"GET", "http://localhost:3000", "", 0},
      {"POST", "http://localhost:3000", "application/json", 0},
      {"POST", "http://localhost:3000", "Application/JSON ; charset=utf-8", 0},
      {"POST", "http://localhost:3000", "text/plain", 415},
      {"DELETE", "http://localhost:3000", "", 415},
      {"OPTIONS", "https://[::1]", "", 0},
      {"GET", "http://evil.example", "", 403},
      {"GET", "null", "", 403},
      {"GET", "", "", 403},
      {"GET", "ws://localhost", "", 403},
      {"GET", "http://localhost.evil", "", 403},
      {"GET", "http://localhost/path", "", 403},
  };
  for (const Row& row : rows) {
    Request asked = request(row.method, "localhost");
    asked.origin = row.origin;
    if (*row.type != '\0') asked.content_type = row.type;
    EXPECT_EQ(status_of(rules, asked), row.status) << row.method << ' ' << row.origin << row.type;
    EXPECT_EQ(cors_headers(asked).empty(), row.status == 403) << row.origin;
  }
  Request plain = request("POST", "localhost");
  plain.content_type = "text/plain";
  EXPECT_EQ(status_of(rules, plain), 0);
}

TEST(Access, AsksForTheToken) {
  const AccessRules rules = {"127.0.0.1", "gpu1", "abc"};
  const auto with = [](std::optional<std::string> authorization) {
    Request asked = request("GET", "localhost");
    asked.authorization = std::move(authorization);
    return asked;
  };
  for (const char* wrong :
       {"", "Bearer", "Bearer ", "Bearer ab", "Bearer abcd", "Basic abc", "abc"}) {
    EXPECT_EQ(status_of(rules, with(wrong)), 401) << wrong;
  }
  EXPECT_EQ(status_of(rules, with(std::nullopt)), 401);
  EXPECT_EQ(status_of(rules, with("Bearer abc")), 0);
  Request health = with(std::nullopt);
  health.path = "/healthz";
  EXPECT_EQ(status_of(rules, health), 0);
}

TEST(Access, ComparesSecrets) {
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abc", "abd"));
  EXPECT_FALSE(same_secret("abc", "ab"));
  EXPECT_FALSE(same_secret("abc", "Abc"));
}

}  // namespace
}  // namespace castool::api
