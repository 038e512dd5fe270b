#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fetch/http_client_fixture.h"
#include "tests/support/scripted_transport.h"

namespace castool::fetch {
namespace {

using base::Code;
using std::chrono::seconds;
using testing::answer;
using testing::Answer;
using testing::broken;
using testing::redirect;
using testing::ScriptedTransport;

TEST_F(HttpClientTest, GivesTheAnswerWhateverItSays) {
  for (const int status : {200, 204, 304, 400, 401, 403, 404, 451}) {
    ScriptedTransport transport({answer(status, "body").with("X-Error-Code", "GatedRepo")});
    const auto response = fetch(transport, "https://hub.example/a");
    ASSERT_TRUE(response) << status;
    EXPECT_EQ(response->head.status, status);
    EXPECT_EQ(response->body, "body");
    EXPECT_EQ(response->head.headers.get("x-error-code"), "GatedRepo");
    EXPECT_EQ(transport.requests().size(), 1U);
  }
}

TEST_F(HttpClientTest, CredentialReachesItsOwnOriginOnly) {
  struct Row {
    const char* location;
    bool sees_credential;
  };
  for (const Row& row : std::vector<Row>{{"/b", true},
                                         {"https://hub.example/b", true},
                                         {"https://hub.example:443/b", true},
                                         {"https://HUB.example/b", true},
                                         {"https://hub.example:444/b", false},
                                         {"https://cdn.example/b", false},
                                         {"https://hub.example.evil.com/b", false},
                                         {"https://x.hub.example/b", false}}) {
    ScriptedTransport transport({redirect(302, row.location), answer(200, "ok")});
    const Credential credential{{"https", "hub.example", 443}, "Bearer canary"};
    FetchOptions options;
    options.credential = &credential;
    ASSERT_TRUE(fetch(transport, "https://hub.example/a", options)) << row.location;
    const auto requests = transport.requests();
    ASSERT_EQ(requests.size(), 2U);
    EXPECT_EQ(requests[0].headers.get("Authorization"), "Bearer canary");
    EXPECT_EQ(requests[1].headers.get("Authorization").has_value(), row.sees_credential)
        << row.location;
  }
}

TEST_F(HttpClientTest, ACredentialOfAnotherOriginStaysHome) {
  ScriptedTransport transport({answer(200)});
  const Credential credential{{"https", "hub.example", 443}, "Bearer canary"};
  FetchOptions options;
  options.credential = &credential;
  ASSERT_TRUE(fetch(transport, "http://hub.example/a", options));
  EXPECT_FALSE(transport.requests()[0].headers.get("Authorization"));
}

TEST_F(HttpClientTest, HeadersOfTheCallerAreNotTakenToAnotherOrigin) {
  ScriptedTransport transport({redirect(307, "https://cdn.example/b"),
                               redirect(307, "https://hub.example/c"), answer(200)});
  HttpClient client(transport, clock_, *log_);
  HttpRequest request;
  request.url = "https://hub.example/a";
  request.headers.add("Authorization", "Bearer canary");
  request.headers.add("Accept", "application/json");
  ASSERT_TRUE(client.fetch(request, {}, {}));
  const auto requests = transport.requests();
  EXPECT_TRUE(requests[0].headers.get("Authorization"));
  for (const std::size_t hop : {1U, 2U}) {
    EXPECT_FALSE(requests[hop].headers.get("Authorization")) << hop;
    EXPECT_EQ(requests[hop].headers.get("Accept"), "application/json");
    EXPECT_EQ(requests[hop].reach, Reach::kPublicOnly);
  }
}

TEST_F(HttpClientTest, StopsAtARedirectThatLeavesTheOrigin) {
  ScriptedTransport transport(
      {redirect(307, "/same"),
       redirect(302, "https://cdn.example/x?s=1").with("X-Linked-Size", "17")});
  FetchOptions options;
  options.redirects = Redirects::kStopCrossOrigin;
  const auto response = fetch(transport, "https://hub.example/a", options);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->head.status, 302);
  EXPECT_EQ(response->head.headers.get("X-Linked-Size"), "17");
  EXPECT_EQ(response->final_url, "https://hub.example/same");
  ASSERT_TRUE(response->stopped_at);
  EXPECT_EQ(response->stopped_at->url, "https://cdn.example/x?s=1");
  EXPECT_EQ(response->stopped_at->reach, Reach::kPublicOnly);
}

TEST_F(HttpClientTest, StopsAtTheFirstRedirectWhenAsked) {
  ScriptedTransport transport({redirect(307, "/same").with("X-Repo-Commit", "c")});
  FetchOptions options;
  options.redirects = Redirects::kStop;
  const auto response = fetch(transport, "https://hub.example/a", options);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->head.headers.get("X-Repo-Commit"), "c");
  ASSERT_TRUE(response->stopped_at);
  EXPECT_EQ(response->stopped_at->url, "https://hub.example/same");
}

TEST_F(HttpClientTest, RefusesBadRedirectsEvenWhenItWouldNotFollow) {
  for (const char* location : {"http://hub.example/", "https://127.0.0.1/", "file:///etc/passwd"}) {
    ScriptedTransport transport({redirect(302, location)});
    FetchOptions options;
    options.redirects = Redirects::kStopCrossOrigin;
    const auto response = fetch(transport, "https://hub.example/a?secret", options);
    ASSERT_FALSE(response) << location;
    EXPECT_EQ(response.error().code, Code::kUnavailable);
    EXPECT_EQ(response.error().url.find("secret"), std::string::npos);
    EXPECT_EQ(transport.requests().size(), 1U);
  }
}

TEST_F(HttpClientTest, EndsARedirectLoop) {
  ScriptedTransport transport(
      [](const HttpRequest&) { return redirect(302, "https://hub.example/a"); });
  const auto response = fetch(transport, "https://hub.example/a");
  ASSERT_FALSE(response);
  EXPECT_EQ(transport.requests().size(), 11U);
}

TEST_F(HttpClientTest, AsksTheOriginAgainAfterAnotherFailureToo) {
  ScriptedTransport transport({answer(503, "busy"), redirect(302, "https://cdn.example/old"),
                               answer(403, "no"), redirect(302, "https://cdn.example/new"),
                               answer(200, "ok")});
  const auto response = fetch(transport, "https://hub.example/a");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "ok");
}

TEST_F(HttpClientTest, AsksTheOriginAgainWhenAnotherHostRefuses) {
  for (const int status : {401, 403, 404, 410, 416}) {
    ScriptedTransport once({redirect(302, "https://cdn.example/old"), answer(status, "no"),
                            redirect(302, "https://cdn.example/new"), answer(200, "ok")});
    const auto response = fetch(once, "https://hub.example/a");
    ASSERT_TRUE(response) << status;
    EXPECT_EQ(response->body, "ok");
    EXPECT_EQ(response->final_url, "https://cdn.example/new");
    ScriptedTransport always([status](const HttpRequest& asked) {
      return asked.url == "https://hub.example/a" ? redirect(302, "https://cdn.example/old")
                                                  : answer(status, "no");
    });
    const auto refused = fetch(always, "https://hub.example/a");
    ASSERT_TRUE(refused) << status;
    EXPECT_EQ(refused->head.status, status);
    // An address may expire more than once; nothing else changes by asking.
    EXPECT_EQ(always.requests().size(), status == 403 ? 8U : 4U) << status;
  }
  // What the origin itself says is final.
  ScriptedTransport same({redirect(302, "/b"), answer(404, "no")});
  EXPECT_EQ(fetch(same, "https://hub.example/a")->head.status, 404);
}

TEST_F(HttpClientTest, A200WithALocationIsAnAnswer) {
  ScriptedTransport transport({answer(200, "x").with("Location", "https://cdn.example/")});
  const auto response = fetch(transport, "https://hub.example/a");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->head.status, 200);
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(HttpClientTest, RetriesServerErrorsFromTheFirstAddress) {
  ScriptedTransport transport({answer(503), broken(TransferEnd::kReset), redirect(302, "/b"),
                               answer(502), answer(200, "ok")});
  const auto response = fetch(transport, "https://hub.example/a");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "ok");
  const auto requests = transport.requests();
  ASSERT_EQ(requests.size(), 5U);
  EXPECT_EQ(requests[3].url, "https://hub.example/b");
  EXPECT_EQ(requests[4].url, "https://hub.example/a");
}

TEST_F(HttpClientTest, GivesUpAfterItsAttempts) {
  ScriptedTransport transport([](const HttpRequest&) { return answer(503); });
  const auto response = fetch(transport, "https://hub.example/a?secret");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kUnavailable);
  EXPECT_EQ(response.error().url, "https://hub.example/a");
  EXPECT_EQ(transport.requests().size(), 5U);
}

TEST_F(HttpClientTest, WaitsOutAnOutageWhenToldTo) {
  Answer nobody = answer(0);
  nobody.end = TransferEnd::kConnect;
  int down = 20;
  ScriptedTransport transport(
      [&](const HttpRequest&) { return down-- > 0 ? nobody : answer(200, "ok"); });
  HttpRequest request;
  request.url = "https://hub.example/a";
  FetchOptions options;
  options.outage = Outage::kWaitOut;
  // Days, since they pass ten thousand times as fast here, and this machine may be slow.
  HttpClient patient(transport, clock_, *log_, nullptr, nullptr, std::chrono::hours(240));
  EXPECT_TRUE(patient.fetch(request, options, {}));
  down = 1000;
  HttpClient client(transport, clock_, *log_, nullptr, nullptr, std::chrono::minutes(5));
  const auto began = clock_.now();
  EXPECT_FALSE(client.fetch(request, options, {}));
  EXPECT_GE(clock_.now() - began, clock_.scaled(std::chrono::minutes(5)));
  // An answer, whatever it says, is no outage.
  ScriptedTransport busy([](const HttpRequest&) { return answer(503); });
  HttpClient other(busy, clock_, *log_, nullptr, nullptr, std::chrono::minutes(5));
  EXPECT_FALSE(other.fetch(request, options, {}));
  EXPECT_EQ(busy.requests().size(), 5U);
}

TEST_F(HttpClientTest, WaitsAsLongAsItIsTold) {
  ScriptedTransport transport({answer(429).with("RateLimit", "\"api\";r=0;t=55"),
                               answer(503).with("Retry-After", "77"), answer(200, "ok")});
  ASSERT_TRUE(fetch(transport, "https://hub.example/a"));
  EXPECT_TRUE(clock_.waited(seconds(56)));
  EXPECT_TRUE(clock_.waited(seconds(77)));
}

TEST_F(HttpClientTest, DoesNotWaitPastTheCap) {
  ScriptedTransport transport({answer(429).with("Retry-After", "901")});
  const auto response = fetch(transport, "https://hub.example/a");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kRateLimited);
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(HttpClientTest, SharesTheBackOffOfAHost) {
  const auto backoff = std::make_shared<HostBackoff>();
  const auto begin = clock_.now();
  backoff->defer({"https", "hub.example", 443}, begin + std::chrono::milliseconds(50));
  ScriptedTransport transport([](const HttpRequest&) { return answer(200); });
  HttpClient client(transport, clock_, *log_, backoff);
  HttpRequest request;
  request.url = "https://hub.example/a";
  ASSERT_TRUE(client.fetch(request, {}, {}));
  EXPECT_GE(clock_.now() - begin, std::chrono::milliseconds(50));
  backoff->defer({"https", "hub.example", 443}, clock_.now() + std::chrono::hours(1));
  const auto refused = client.fetch(request, {}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRateLimited);
}

TEST_F(HttpClientTest, MapsTransportFailures) {
  struct Row {
    TransferEnd end;
    Code code;
    std::size_t requests;
  };
  for (const Row& row : std::vector<Row>{{TransferEnd::kTls, Code::kUnavailable, 1},
                                         {TransferEnd::kProxyRefused, Code::kUnauthorized, 1},
                                         {TransferEnd::kForbidden, Code::kUnavailable, 1},
                                         {TransferEnd::kDns, Code::kUnavailable, 3},
                                         {TransferEnd::kConnect, Code::kUnavailable, 5},
                                         {TransferEnd::kStalled, Code::kUnavailable, 5}}) {
    ScriptedTransport transport([&](const HttpRequest&) { return broken(row.end); });
    const auto response = fetch(transport, "https://hub.example/a");
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, row.code);
    EXPECT_EQ(transport.requests().size(), row.requests);
  }
}

TEST_F(HttpClientTest, BadUrlsAreUsageErrors) {
  ScriptedTransport transport(std::vector<Answer>{});
  for (const char* url : {"", "file:///etc/passwd", "https://u:secret@h/"}) {
    const auto response = fetch(transport, url);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Code::kUsage);
    EXPECT_EQ((response.error().text() + response.error().url).find("secret"), std::string::npos);
  }
  EXPECT_TRUE(transport.requests().empty());
}

TEST_F(HttpClientTest, StopEndsAHangAndAWait) {
  for (const bool hang : {true, false}) {
    ScriptedTransport transport([hang](const HttpRequest&) {
      Answer made = hang ? answer(200, "begin") : answer(429).with("Retry-After", "899");
      made.hang = hang;
      return made;
    });
    // Waits in real time, so only the stop can end them.
    base::SystemClock clock;
    HttpClient client(transport, clock, *log_);
    HttpRequest request;
    request.url = "https://hub.example/a";
    std::stop_source stop;
    std::jthread stopper([&] {
      while (transport.requests().empty()) std::this_thread::yield();
      stop.request_stop();
    });
    const auto begin = clock.now();
    const auto response = client.fetch(request, {}, stop.get_token());
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Code::kCancelled);
    EXPECT_LT(clock.now() - begin, seconds(1));
  }
}

TEST_F(HttpClientTest, AnAnswerThatNeverEndsIsCutOff) {
  ScriptedTransport transport([](const HttpRequest&) {
    Answer made = answer(200, "begin");
    made.hang = true;
    return made;
  });
  FetchOptions options;
  options.attempts = 2;
  stall_timeout_ = seconds(30);
  const auto response = fetch(transport, "https://hub.example/a", options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kUnavailable);
  EXPECT_EQ(transport.requests().size(), 2U);
}

}  // namespace
}  // namespace castool::fetch
