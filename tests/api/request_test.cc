#include <gtest/gtest.h>

#include "api/http.h"
#include "api/listener.h"
#include "api/request_body.h"

namespace castool::api {
namespace {

TEST(RequestBody, IsReadStrictly) {
  const auto both = parse_model_body(R"({"model":"a","name":"b","insecure":true,"stream":false,)"
                                     R"("username":"u","options":{"x":[1]}})");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->model, "a");
  EXPECT_TRUE(both->insecure);
  EXPECT_FALSE(both->stream);
  const auto old = parse_model_body(R"({"name":"b"})");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->model, "b");
  EXPECT_TRUE(old->stream);
  for (const char* text : {"", "{", "[]", "3", "null", R"({"model":1})", R"({"stream":"yes"})",
                           R"({"model":"a","model":"b"})", "{\"model\":\"\xff\"}"}) {
    EXPECT_FALSE(parse_model_body(text)) << text;
  }
}

TEST(Http, DecodesQueries) {
  EXPECT_EQ(query_value("a=1&b=x%20y&c", "b"), "x y");
  EXPECT_EQ(query_value("a=1&b=x%20y&c", "c"), "");
  EXPECT_EQ(query_value("a=1", "b"), std::nullopt);
  EXPECT_EQ(percent_decode("%41%zz%4"), "A%zz%4");
}

TEST(TcpAddress, IsNumeric) {
  const std::pair<const char*, const char*> good[] = {{"127.0.0.1:11435", "127.0.0.1:11435"},
                                                      {"localhost:1", "127.0.0.1:1"},
                                                      {"[::1]:80", "[::1]:80"},
                                                      {":8080", "0.0.0.0:8080"}};
  for (const auto& [text, printed] : good) {
    const auto address = parse_tcp_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), printed);
  }
  for (const char* bad : {"", "1.2.3.4", "host:80", "::1:80", "[1.2.3.4]:80", "[::1:80",
                          "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.256:1"}) {
    EXPECT_FALSE(parse_tcp_address(bad)) << bad;
  }
}

}  // namespace
}  // namespace castool::api
