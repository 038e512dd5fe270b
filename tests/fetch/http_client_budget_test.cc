// Small requests within the connections and bytes that all transfers share.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "fetch/http_client.h"
#include "tests/fetch/recording_clock.h"
#include "tests/support/scripted_transport.h"

namespace castool::fetch {
namespace {

using base::Code;
using testing::answer;
using testing::redirect;
using testing::ScriptedTransport;

class HttpClientBudgetTest : public ::testing::Test {
 protected:
  RecordingClock clock_;
  std::unique_ptr<base::Log> log_ = base::make_null_log();
};

TEST_F(HttpClientBudgetTest, KeepsToTheConnectionsAndBytesOfTheBudget) {
  const std::string body(256 * 1024, 'x');
  ScriptedTransport transport([&](const HttpRequest&) { return answer(200, body); });
  base::SystemClock clock;
  const auto budget = std::make_shared<TransferBudget>(2, 4 << 20, clock);
  HttpClient client(transport, clock, *log_, nullptr, budget);
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        HttpRequest request;
        request.url = "https://hub.example/a";
        FetchOptions options;
        options.priority = Priority::kBackground;
        const auto response = client.fetch(request, options, {});
        ASSERT_TRUE(response);
        EXPECT_EQ(response->body, body);
      });
    }
  }
  EXPECT_EQ(transport.most_at_once(), 2U);
  // 2 MiB at 4 MiB a second, and never faster.
  EXPECT_GT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(475));
}

TEST_F(HttpClientBudgetTest, HalvesTheBudgetWhenAskedToSlowDown) {
  ScriptedTransport transport({answer(429), answer(200, "ok")});
  const auto budget = std::make_shared<TransferBudget>(8, 0, clock_);
  HttpClient client(transport, clock_, *log_, nullptr, budget);
  HttpRequest request;
  request.url = "https://hub.example/a";
  request.stall_timeout = std::chrono::hours(24);  // which the clock shortens
  ASSERT_TRUE(client.fetch(request, {}, {}));
  EXPECT_EQ(budget->connections(), 4);
}

TEST_F(HttpClientBudgetTest, WhereARedirectLeadsIsAskedBeforeAnybodyElseHasTheSlot) {
  ScriptedTransport transport([&](const HttpRequest& asked) {
    return asked.url == "https://hub.example/a" ? redirect(307, "https://cdn.example/signed")
                                                : answer(200, "ok");
  });
  base::SystemClock clock;
  const auto budget = std::make_shared<TransferBudget>(1, 0, clock);
  HttpClient client(transport, clock, *log_, nullptr, budget);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        HttpRequest request;
        request.url = "https://hub.example/a";
        EXPECT_TRUE(client.fetch(request, {}, {}));
      });
    }
  }
  const auto requests = transport.requests();
  ASSERT_EQ(requests.size(), 16U);
  for (std::size_t i = 0; i < requests.size(); i += 2) {
    EXPECT_EQ(requests[i].url, "https://hub.example/a") << i;
    EXPECT_EQ(requests[i + 1].url, "https://cdn.example/signed") << i;
  }
}

TEST_F(HttpClientBudgetTest, AStopEndsTheWaitForASlotAndForTheRate) {
  ScriptedTransport transport([&](const HttpRequest&) { return answer(200, "body"); });
  base::SystemClock clock;
  const auto budget = std::make_shared<TransferBudget>(1, 1, clock);
  HttpClient client(transport, clock, *log_, nullptr, budget);
  HttpRequest request;
  request.url = "https://hub.example/a";
  std::stop_source stop;
  {
    // One waits for its bytes at a byte a second, the other one for the first one's slot.
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        FetchOptions options;
        options.priority = Priority::kBackground;
        const auto response = client.fetch(request, options, stop.get_token());
        if (!response) {
          EXPECT_EQ(response.error().code, Code::kCancelled);
        }
      });
    }
    while (transport.requests().size() < 2) std::this_thread::yield();
    stop.request_stop();
  }
  EXPECT_EQ(transport.requests().size(), 2U);
}

}  // namespace
}  // namespace castool::fetch
