#include <gtest/gtest.h>

#include "api/http.h"
#include "api/listener.h"
#include "api/range.h"
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

TEST(Range, IsOneOrTheWhole) {
  using Kind = RangeAnswer::Kind;
  struct Row {
    const char* header;
    Kind kind;
    std::uint64_t offset, length;
  };
  const Row rows[] = {
      {"bytes=0-0", Kind::kPart, 0, 1},
      {"bytes=0-9", Kind::kPart, 0, 10},
      {"bytes=3-5", Kind::kPart, 3, 3},
      {"bytes=3-", Kind::kPart, 3, 7},
      {"bytes=3-99", Kind::kPart, 3, 7},
      {"bytes=-4", Kind::kPart, 6, 4},
      {"bytes=-99", Kind::kPart, 0, 10},
      {"bytes=10-", Kind::kUnsatisfiable, 0, 0},
      {"bytes=-0", Kind::kUnsatisfiable, 0, 0},
      {"bytes=18446744073709551615-", Kind::kUnsatisfiable, 0, 0},
      {"bytes=5-3", Kind::kWhole, 0, 10},
      {"bytes=0-1,3-4", Kind::kWhole, 0, 10},
      {"bytes=", Kind::kWhole, 0, 10},
      {"bytes=-", Kind::kWhole, 0, 10},
      {"bytes=a-b", Kind::kWhole, 0, 10},
      {"lines=0-1", Kind::kWhole, 0, 10},
      {"bytes=0-18446744073709551616", Kind::kWhole, 0, 10},
  };
  for (const Row& row : rows) {
    const auto answer = answer_range(row.header, 10);
    EXPECT_EQ(answer.kind, row.kind) << row.header;
    EXPECT_EQ(answer.offset, row.offset) << row.header;
    EXPECT_EQ(answer.length, row.length) << row.header;
  }
  EXPECT_EQ(answer_range(std::nullopt, 10).kind, Kind::kWhole);
  EXPECT_EQ(answer_range("bytes=0-", 0).kind, Kind::kUnsatisfiable);
}

}  // namespace
}  // namespace castool::api
