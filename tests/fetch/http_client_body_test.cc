// What becomes of the bytes of answers.
#include <optional>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "tests/fetch/http_client_fixture.h"

namespace castool::fetch {
namespace {

using base::Code;
using testing::answer;
using testing::Answer;
using testing::redirect;
using testing::ScriptedTransport;

using HttpClientBodyTest = HttpClientTest;

TEST_F(HttpClientBodyTest, EndsABodyThatIsTooLarge) {
  ScriptedTransport transport(
      [](const HttpRequest&) { return answer(200, std::string(101, 'x')); });
  FetchOptions options;
  options.max_body = 100;
  const auto response = fetch(transport, "https://hub.example/a", options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kBadManifest);
  EXPECT_EQ(transport.requests().size(), 1U);
  options.max_body = 101;
  EXPECT_TRUE(fetch(transport, "https://hub.example/a", options));
}

TEST_F(HttpClientBodyTest, ACompressedAnswerIsNoAnswer) {
  ScriptedTransport transport(
      {answer(200, "gz").with("Content-Encoding", "gzip"), answer(200, "plain")});
  const auto response = fetch(transport, "https://hub.example/a");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "plain");
}

TEST_F(HttpClientBodyTest, StreamsToASinkThatStartsAgain) {
  Answer cut = answer(200, "half of");
  cut.end = TransferEnd::kReset;
  ScriptedTransport transport({redirect(302, "/b"), cut, answer(200, "the whole")});
  HttpClient client(transport, clock_, *log_);
  HttpRequest request;
  request.url = "https://hub.example/a";
  std::string body;
  const auto response = client.fetch_to(
      request, {},
      [&]() -> base::Status {
        body.clear();
        return base::ok();
      },
      [&](std::span<const std::byte> bytes) -> base::Status {
        body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return base::ok();
      },
      {});
  ASSERT_TRUE(response);
  EXPECT_EQ(body, "the whole");
  EXPECT_EQ(response->final_url, "https://hub.example/a");
}

TEST_F(HttpClientBodyTest, ABodyOfTheLengthThatIsKnownIsWholeHoweverTheConnectionEnds) {
  const struct {
    std::optional<std::uint64_t> whole;
    int status;
    bool complete;
  } rows[] = {{4, 200, true},
              {5, 200, false},
              {3, 200, false},
              {std::nullopt, 200, false},
              {4, 404, false}};
  for (const auto& row : rows) {
    Answer cut = answer(row.status, "body");
    cut.end = TransferEnd::kReset;
    ScriptedTransport transport({cut});
    FetchOptions options;
    options.attempts = 1;
    options.whole_body = row.whole;
    const auto response = fetch(transport, "https://hub.example/a", options);
    EXPECT_EQ(response.has_value(), row.complete) << row.whole.value_or(0) << " " << row.status;
  }
}

TEST_F(HttpClientBodyTest, ErrorsOfTheSinkEndItAtOnceAndErrorPagesNeverReachIt) {
  ScriptedTransport transport({answer(404, "page"), answer(200, "data")});
  HttpClient client(transport, clock_, *log_);
  HttpRequest request;
  request.url = "https://hub.example/a";
  int calls = 0;
  const auto sink = [&](std::span<const std::byte>) -> base::Status {
    ++calls;
    return base::make_error(Code::kNoSpace, "disk full");
  };
  const auto restart = []() -> base::Status { return base::ok(); };
  ASSERT_TRUE(client.fetch_to(request, {}, restart, sink, {}));
  EXPECT_EQ(calls, 0);
  const auto response = client.fetch_to(request, {}, restart, sink, {});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kNoSpace);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace castool::fetch
