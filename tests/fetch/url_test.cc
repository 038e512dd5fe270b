#include "fetch/url.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

TEST(JoinUrl, FollowsRfc3986) {
  struct Row {
    const char* location;
    const char* joined;
  };
  const std::vector<Row> rows = {
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g?y#s", "http://a/b/c/g?y"},
      {";x", "http://a/b/c/;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"g/../h", "http://a/b/c/h"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"/a b?c d", "http://a/a%20b?c%20d"},
      {"/x?u=http://b/../c", "http://a/x?u=http://b/../c"},
      {"https://b:81/z?s=%2F", "https://b:81/z?s=%2F"},
  };
  for (const Row& row : rows) {
    const auto joined = join_url("http://a/b/c/d;p?q", row.location);
    ASSERT_TRUE(joined) << row.location;
    EXPECT_EQ(*joined, row.joined) << row.location;
  }
}

TEST(JoinUrl, RefusesWhatParsersDisagreeAbout) {
  for (const std::string& location :
       {std::string("/x\r\nInjected: 1"), std::string("/x\0y", 4), std::string("http://a\\@b/"),
        std::string("/\x7f"), std::string("http://["), std::string("http://h:99999/")}) {
    EXPECT_FALSE(join_url("http://a/", location)) << location;
  }
}

TEST(OriginOf, NormalisesHostAndPort) {
  struct Row {
    const char* url;
    Origin origin;
  };
  const std::vector<Row> rows = {
      {"https://Hub.Example/x", {"https", "hub.example", 443}},
      {"http://h", {"http", "h", 80}},
      {"http://h:8080/a?b#c", {"http", "h", 8080}},
      {"HTTPS://h:443/", {"https", "h", 443}},
      {"http://[::1]:81/", {"http", "::1", 81}},
      {"http://2130706433/", {"http", "127.0.0.1", 80}},
      {"http://0x7f.1/", {"http", "127.0.0.1", 80}},
  };
  for (const Row& row : rows) {
    const auto origin = origin_of(row.url);
    ASSERT_TRUE(origin) << row.url;
    EXPECT_EQ(*origin, row.origin) << row.url << " -> " << origin->host;
  }
}

TEST(OriginOf, RefusesOtherSchemesAndUserNames) {
  for (const char* url : {"ftp://h/", "file:///etc/passwd", "h/x", "", "http://u:p@h/",
                          "http://u@h/", "http://h\\@evil/", "javascript:1"}) {
    const auto origin = origin_of(url);
    ASSERT_FALSE(origin) << url;
    EXPECT_EQ(origin.error().code, base::Code::kUsage);
  }
}

TEST(Redacted, LeavesNoSecret) {
  EXPECT_EQ(redacted("https://h/p?X-Amz-Signature=secret#f"), "https://h/p");
  EXPECT_EQ(redacted("https://user:secret@h:1/p"), "https://h:1/p");
  EXPECT_EQ(redacted("https://user:se@cret@h/p@q"), "https://h/p@q");
  EXPECT_EQ(redacted("https://user:secret@h"), "https://h");
  EXPECT_EQ(redacted("nonsense?secret"), "nonsense");
}

TEST(PercentEncode, KeepsWhatItIsToldTo) {
  EXPECT_EQ(percent_encode("refs/pr/1"), "refs%2Fpr%2F1");
  EXPECT_EQ(percent_encode("a b#c%d?é/x", "/"), "a%20b%23c%25d%3F%C3%A9/x");
  EXPECT_EQ(percent_encode("A-z_0.~"), "A-z_0.~");
}

}  // namespace
}  // namespace castool::fetch
