#include "fetch/redirect_policy.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

constexpr const char* kPublicPeer = "93.184.216.34";

ResponseHead moved(const std::string& location, const std::string& peer = kPublicPeer) {
  ResponseHead head;
  head.status = 302;
  head.headers.add("Location", location);
  head.peer_address = peer;
  return head;
}

TEST(NextHop, FollowsRelativeAndAbsolute) {
  const Hop from{"https://hub.example/a/b?x=1", Reach::kAnywhere};
  const auto relative = next_hop(from, moved("/c?y=2"), 0);
  ASSERT_TRUE(relative);
  EXPECT_EQ(relative->url, "https://hub.example/c?y=2");
  EXPECT_EQ(relative->reach, Reach::kPublicOnly);
  const auto absolute = next_hop(from, moved("https://cdn.example/c"), kMaxHops - 1);
  ASSERT_TRUE(absolute);
  EXPECT_EQ(absolute->url, "https://cdn.example/c");
}

TEST(NextHop, RefusesWhatTheCatalogueSays) {
  const Hop https{"https://hub.example/a", Reach::kAnywhere};
  const std::vector<const char*> targets = {
      "http://hub.example/a",  "ftp://hub.example/a",     "file:///etc/passwd",
      "gopher://hub.example/", "https://127.0.0.1/",      "https://0x7f.1/",
      "https://[::1]/",        "https://169.254.169.254", "https://localhost/",
      "https://10.0.0.1/",     "https://u:p@cdn.example", "//192.168.0.1/x",
      "javascript:alert(1)",   "https://a\\@b/",          "/x\r\nSet-Cookie: y"};
  for (const char* target : targets) {
    const auto hop = next_hop(https, moved(target), 0);
    ASSERT_FALSE(hop) << target << " -> " << hop->url;
    EXPECT_EQ(hop.error().code, base::Code::kUnavailable) << target;
  }
  EXPECT_FALSE(next_hop(https, moved("/a"), kMaxHops));
  ResponseHead nowhere;
  nowhere.status = 302;
  EXPECT_FALSE(next_hop(https, nowhere, 0));
  ResponseHead two = moved("/a");
  two.headers.add("location", "/b");
  EXPECT_FALSE(next_hop(https, two, 0));
}

TEST(NextHop, PrivateOriginsMayStayPrivateUntilTheyLeave) {
  const Hop local{"http://127.0.0.1:81/a", Reach::kAnywhere};
  const auto hop = next_hop(local, moved("http://127.0.0.1:82/b", "127.0.0.1"), 0);
  ASSERT_TRUE(hop);
  EXPECT_EQ(hop->reach, Reach::kAnywhere);
  // A name that leads to a private address makes a private origin, a public one does not come back.
  EXPECT_TRUE(next_hop({"http://mirror.example/", Reach::kAnywhere},
                       moved("http://10.0.0.2/", "10.0.0.1"), 0));
  EXPECT_FALSE(next_hop({"http://mirror.example/", Reach::kPublicOnly},
                        moved("http://10.0.0.2/", "10.0.0.1"), 0));
  // Behind a proxy only the name speaks.
  EXPECT_FALSE(
      next_hop({"http://hub.example/", Reach::kAnywhere}, moved("http://10.0.0.2/", ""), 0));
}

TEST(NextHop, ErrorsCarryNoQuery) {
  const auto hop = next_hop({"https://hub.example/a?token=secret", Reach::kAnywhere},
                            moved("http://cdn.example/b?Signature=secret"), 0);
  ASSERT_FALSE(hop);
  EXPECT_EQ((hop.error().text() + hop.error().url).find("secret"), std::string::npos);
}

TEST(IsRedirect, OnlyThoseStatuses) {
  for (const int status : {301, 302, 303, 307, 308}) EXPECT_TRUE(is_redirect(status));
  for (const int status : {200, 201, 300, 304, 305, 404}) EXPECT_FALSE(is_redirect(status));
}

TEST(WithoutCredentials, IsAnAllowList) {
  Headers headers;
  for (const char* name :
       {"Authorization", "cookie", "X-Api-Key", "Proxy-Authorization", "Accept", "USER-AGENT"}) {
    headers.add(name, "v");
  }
  const Headers kept = without_credentials(headers);
  EXPECT_EQ(kept.fields().size(), 2U);
  EXPECT_TRUE(kept.get("accept") && kept.get("user-agent"));
}

}  // namespace
}  // namespace castool::fetch
