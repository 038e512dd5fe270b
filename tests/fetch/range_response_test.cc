#include "fetch/range_response.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

constexpr std::uint64_t kSize = 1000;

struct Row {
  const char* what;
  int status;
  std::vector<std::pair<std::string, std::string>> headers;
  AnswerKind kind;
};

TEST(Judge, AnswersToARange) {
  const std::vector<Row> rows = {
      {"as asked", 206, {{"Content-Range", "bytes 100-199/1000"}}, AnswerKind::kPart},
      {"shorter", 206, {{"Content-Range", "bytes 100-149/1000"}}, AnswerKind::kPart},
      {"total not told", 206, {{"Content-Range", "bytes 100-199/*"}}, AnswerKind::kPart},
      {"other start", 206, {{"Content-Range", "bytes 0-99/1000"}}, AnswerKind::kWrongRange},
      {"one early", 206, {{"Content-Range", "bytes 99-199/1000"}}, AnswerKind::kWrongRange},
      {"longer", 206, {{"Content-Range", "bytes 100-200/1000"}}, AnswerKind::kWrongRange},
      {"garbage", 206, {{"Content-Range", "bytes x"}}, AnswerKind::kWrongRange},
      {"other total", 206, {{"Content-Range", "bytes 100-199/999"}}, AnswerKind::kWrongSize},
      {"range not told", 206, {}, AnswerKind::kWhole},
      {"multipart",
       206,
       {{"Content-Type", "multipart/byteranges; boundary=x"}},
       AnswerKind::kWrongRange},
      {"ignored", 200, {{"Content-Length", "1000"}}, AnswerKind::kWhole},
      {"ignored, no length", 200, {}, AnswerKind::kWhole},
      {"ignored, other length", 200, {{"Content-Length", "999"}}, AnswerKind::kWrongSize},
      {"portal", 200, {{"Content-Length", "80"}, {"Content-Type", "text/html"}}, AnswerKind::kPage},
      {"gzip",
       206,
       {{"Content-Range", "bytes 100-199/1000"}, {"Content-Encoding", "gzip"}},
       AnswerKind::kEncoded},
      {"identity",
       206,
       {{"Content-Range", "bytes 100-199/1000"}, {"Content-Encoding", "identity"}},
       AnswerKind::kPart},
      {"moved", 307, {{"Location", "/x"}}, AnswerKind::kRedirect},
      {"no content", 204, {}, AnswerKind::kRefused},
      {"gone", 404, {}, AnswerKind::kRefused},
      {"bad range", 416, {}, AnswerKind::kRefused},
  };
  for (const Row& row : rows) {
    ResponseHead head;
    head.status = row.status;
    for (const auto& [name, value] : row.headers) head.headers.add(name, value);
    EXPECT_EQ(judge(head, base::ByteRange{100, 100}, kSize).kind, row.kind) << row.what;
  }
}

TEST(Judge, SaysWhichBytesTheBodyHas) {
  ResponseHead part;
  part.status = 206;
  part.headers.add("Content-Range", "bytes 100-149/1000");
  EXPECT_EQ(judge(part, base::ByteRange{100, 100}, kSize).range, (base::ByteRange{100, 50}));
  ResponseHead whole;
  whole.status = 200;
  EXPECT_EQ(judge(whole, std::nullopt, kSize).range, (base::ByteRange{0, kSize}));
  EXPECT_EQ(judge(part, std::nullopt, kSize).kind, AnswerKind::kWrongRange);
}

}  // namespace
}  // namespace castool::fetch
