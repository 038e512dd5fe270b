#include "fetch/downloader.h"

#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/fetch/memory_blob.h"
#include "tests/fetch/recording_clock.h"
#include "tests/support/scripted_transport.h"

namespace castool::fetch {
namespace {

using base::Code;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::answer;
using testing::Answer;
using testing::broken;
using testing::redirect;
using testing::ScriptedTransport;
using testing::serve_range;

constexpr std::size_t kMiB = 1 << 20;

class DownloaderTest : public ::testing::Test {
 protected:
  // Spoils the nth request's answer; nullopt: a good one.
  using Fault = std::function<std::optional<Answer>(const HttpRequest&, int nth)>;

  ScriptedTransport::Script serving(Fault fault) {
    return [this, fault = std::move(fault)](const HttpRequest& request) {
      auto spoiled = fault(request, ++requests_);
      return spoiled ? *std::move(spoiled) : serve_range(request, blob_);
    };
  }
  // Shortened waits must not shorten the time that a loaded machine has to do the work.
  static DownloadLimits patient() {
    DownloadLimits limits;
    limits.timeout = std::chrono::hours(100);
    return limits;
  }
  base::Status run(ScriptedTransport& transport, DownloadLimits limits = patient(),
                   std::stop_token stop = {}) {
    Downloader downloader(transport, limits, clock_, *log_);
    auto status = downloader.run({"sha256:ab", sink_, book_}, std::move(stop));
    counters_ = downloader.counters();
    return status;
  }
  void expect_complete(const base::Status& status) {
    ASSERT_TRUE(status) << status.error().text();
    EXPECT_TRUE(sink_->bytes() == blob_);
  }
  // Downloads with the fault and expects the right bytes, each written once.
  void expect_survived(Fault fault) {
    ScriptedTransport transport(serving(std::move(fault)));
    expect_complete(run(transport));
    EXPECT_EQ(sink_->appended(), blob_.size());
  }
  void expect_failure(Fault fault, Code code) {
    ScriptedTransport transport(serving(std::move(fault)));
    const auto status = run(transport);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, code) << status.error().text();
    EXPECT_EQ((status.error().text() + status.error().url).find("secret"), std::string::npos);
    EXPECT_LT(transport.requests().size(), 100U);
  }

  RecordingClock clock_;
  std::unique_ptr<base::Log> log_ = base::make_null_log();
  std::string blob_ = test_bytes(5 * kMiB + 12345);
  std::shared_ptr<MemoryBlob> sink_ = std::make_shared<MemoryBlob>(blob_.size());
  std::shared_ptr<CountingBook> book_ = std::make_shared<CountingBook>();
  std::atomic<int> requests_{0};
  DownloadCounters counters_;
};

TEST_F(DownloaderTest, FetchesInRangesOverAFewConnections) {
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
  expect_complete(run(transport));
  EXPECT_EQ(counters_.bytes_received, blob_.size());
  EXPECT_EQ(counters_.requests, transport.requests().size());
  EXPECT_EQ(counters_.retries, 0U);
  EXPECT_EQ(transport.most_at_once(), 4U);
  EXPECT_EQ(book_->asked(), 1);
  for (const HttpRequest& request : transport.requests()) {
    ASSERT_TRUE(request.range);
    EXPECT_EQ(request.headers.get("Authorization"), "Bearer canary");
  }
}

TEST_F(DownloaderTest, SmallBlobsTakeOneRequestAndEmptyOnesNone) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, 64 * 1024UL}) {
    blob_ = test_bytes(size);
    sink_ = std::make_shared<MemoryBlob>(size);
    ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
    expect_complete(run(transport));
    EXPECT_EQ(transport.requests().size(), size == 0 ? 0U : 1U);
  }
}

TEST_F(DownloaderTest, NeverUsesMoreConnectionsThanAllowed) {
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
  DownloadLimits limits = patient();
  limits.connections = 2;
  expect_complete(run(transport, limits));
  EXPECT_LE(transport.most_at_once(), 2U);
}

TEST_F(DownloaderTest, KeepsWhatCameBeforeACutAndAsksForTheRest) {
  for (const TransferEnd end :
       {TransferEnd::kReset, TransferEnd::kStalled, TransferEnd::kComplete}) {
    sink_ = std::make_shared<MemoryBlob>(blob_.size());
    requests_ = 0;
    std::uint64_t cut_at = 0;
    bool asked_for_rest = false;
    expect_survived([&](const HttpRequest& request, int nth) -> std::optional<Answer> {
      if (request.range->offset == cut_at && nth > 1) asked_for_rest = true;
      if (nth != 1) return std::nullopt;
      Answer cut = serve_range(request, blob_);
      cut.body.resize(100'001);
      cut.end = end;
      cut_at = request.range->offset + 100'001;
      return cut;
    });
    EXPECT_TRUE(asked_for_rest);
  }
}

TEST_F(DownloaderTest, SurvivesWhatIsTemporary) {
  const std::map<std::string, Answer> faults = {
      {"reset", broken(TransferEnd::kReset)},
      {"refused", broken(TransferEnd::kConnect)},
      {"dns", broken(TransferEnd::kDns)},
      {"stall", broken(TransferEnd::kStalled)},
      {"garbage", broken(TransferEnd::kProtocol)},
      {"500", answer(500)},
      {"502", answer(502, std::string(200000, 'x'))},
      {"503", answer(503)},
      {"504", answer(504)},
      {"408", answer(408)},
      {"429", answer(429)},
      {"204", answer(204)},
      {"401", answer(401)},
      {"403", answer(403)},
      {"404", answer(404)},
      {"410", answer(410)},
      {"416", answer(416)},
      {"gzip", answer(206, "x").with("Content-Encoding", "gzip")},
      {"multipart", answer(206, "x").with("Content-Type", "multipart/byteranges")},
      {"portal",
       answer(200, "<html>").with("Content-Type", "text/html").with("Content-Length", "6")},
      {"wrong size", answer(206, "x").with("Content-Range", "bytes 0-0/7")},
      {"wrong range", answer(206, "xyz").with("Content-Range", "bytes 3-5/5255225")},
      {"empty part", answer(206, "").with("Content-Range", "bytes 0-1048575/5255225")},
  };
  for (const auto& [name, fault] : faults) {
    SCOPED_TRACE(name);
    sink_ = std::make_shared<MemoryBlob>(blob_.size());
    requests_ = 0;
    expect_survived([&spoiled = fault](const HttpRequest&, int nth) -> std::optional<Answer> {
      if (nth == 1) return spoiled;
      return std::nullopt;
    });
    EXPECT_EQ(counters_.retries, 1U);
  }
}

TEST_F(DownloaderTest, FailsWithTheCataloguesCodeWhenAFaultStays) {
  const std::vector<std::pair<Answer, Code>> faults = {
      {answer(401), Code::kUnauthorized},
      {answer(403), Code::kUnauthorized},
      {answer(451), Code::kUnauthorized},
      {broken(TransferEnd::kProxyRefused), Code::kUnauthorized},
      {answer(404), Code::kNotFound},
      {answer(410), Code::kNotFound},
      {answer(416), Code::kDigestMismatch},
      {answer(206, "x").with("Content-Range", "bytes 0-0/7"), Code::kDigestMismatch},
      {answer(200, "x").with("Content-Length", "1"), Code::kDigestMismatch},
      {answer(206, "xyz").with("Content-Range", "bytes 3-5/5255225"), Code::kUnavailable},
      {answer(204), Code::kUnavailable},
      {answer(400), Code::kUnavailable},
      {broken(TransferEnd::kTls), Code::kUnavailable},
      {broken(TransferEnd::kDns), Code::kUnavailable},
      {broken(TransferEnd::kProtocol), Code::kUnavailable},
      {broken(TransferEnd::kForbidden), Code::kUnavailable},
      {answer(429).with("Retry-After", "901"), Code::kRateLimited},
      {redirect(302, "http://cdn.example/"), Code::kUnavailable},
      {redirect(302, "https://127.0.0.1/"), Code::kUnavailable},
      {redirect(302, "https://cdn.example/loop"), Code::kUnavailable},
  };
  for (const auto& [fault, code] : faults) {
    SCOPED_TRACE(std::to_string(fault.status) + "/" + std::to_string(static_cast<int>(fault.end)));
    sink_ = std::make_shared<MemoryBlob>(blob_.size());
    expect_failure([&spoiled = fault](const HttpRequest&, int) { return spoiled; }, code);
    EXPECT_EQ(sink_->appended(), 0U);
  }
}

TEST_F(DownloaderTest, GivesUpWhenNothingComesForTheTimeout) {
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return answer(503); }));
  DownloadLimits limits;
  limits.timeout = seconds(60);
  const auto status = run(transport, limits);
  ASSERT_FALSE(status);
  // 503 without a hint goes on until 15 min of being told to wait are over.
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  ScriptedTransport dead(
      serving([](const HttpRequest&, int) { return broken(TransferEnd::kReset); }));
  const auto silent = run(dead, limits);
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, Code::kUnavailable);
  EXPECT_EQ(silent.error().digest, "sha256:ab");
}

TEST_F(DownloaderTest, ExpiryOfTheAddressUnderManyRequestsIsResolvedOnce) {
  expect_survived([&](const HttpRequest& request, int) -> std::optional<Answer> {
    if (request.url.find("/0?") != std::string::npos) return answer(403);
    return std::nullopt;
  });
  EXPECT_EQ(book_->fresh(), 1);
}

TEST_F(DownloaderTest, RenewsAnAddressBeforeItExpires) {
  book_->set_lifetime(milliseconds(-1));
  expect_survived([](const HttpRequest&, int) { return std::nullopt; });
  EXPECT_GT(book_->fresh(), 0);
}

TEST_F(DownloaderTest, AServerWithoutRangesIsReadOnceFromTheStart) {
  bool part_without_range = false;
  for (const bool unlabelled_206 : {false, true}) {
    part_without_range = unlabelled_206;
    sink_ = std::make_shared<MemoryBlob>(blob_.size());
    ScriptedTransport transport(serving([&](const HttpRequest& request, int) {
      if (!request.range) return answer(200, blob_);
      return answer(part_without_range ? 206 : 200, blob_);
    }));
    expect_complete(run(transport));
    EXPECT_EQ(sink_->appended(), blob_.size());
    const auto requests = transport.requests();
    EXPECT_FALSE(requests.back().range);
    EXPECT_LE(requests.size(), 5U);
  }
}

TEST_F(DownloaderTest, AServerWithoutRangesThatCutsIsReadAgainAndNothingIsWrittenTwice) {
  int whole = 0;
  ScriptedTransport transport(serving([&](const HttpRequest&, int) -> std::optional<Answer> {
    Answer all = answer(200, blob_);
    if (++whole % 7 != 0) {
      all.body.resize(blob_.size() * static_cast<std::size_t>(whole % 7) / 7);
      all.end = TransferEnd::kReset;
    }
    return all;
  }));
  expect_complete(run(transport));
  EXPECT_EQ(sink_->appended(), blob_.size());
}

TEST_F(DownloaderTest, ABodyThatGoesOnIsCut) {
  ScriptedTransport transport(serving([&](const HttpRequest& request, int) {
    Answer longer = serve_range(request, blob_);
    longer.body += "more";
    return longer;
  }));
  expect_complete(run(transport));
  EXPECT_EQ(sink_->appended(), blob_.size());
}

TEST_F(DownloaderTest, FollowsRedirectsWithoutTheCredential) {
  ScriptedTransport transport(
      serving([&](const HttpRequest& request, int) -> std::optional<Answer> {
        if (request.url.find("cdn.example") != std::string::npos) {
          return redirect(307, "https://edge.example/x");
        }
        return std::nullopt;
      }));
  expect_complete(run(transport));
  for (const HttpRequest& request : transport.requests()) {
    const bool home = request.url.find("cdn.example") != std::string::npos;
    EXPECT_EQ(request.headers.get("Authorization").has_value(), home) << request.url;
    if (!home) {
      EXPECT_EQ(request.reach, Reach::kPublicOnly);
    }
  }
}

TEST_F(DownloaderTest, WaitsAsToldAndHoldsBackTheHost) {
  expect_survived([](const HttpRequest&, int nth) -> std::optional<Answer> {
    if (nth == 1) return answer(429).with("RateLimit", "\"resolvers\";r=0;t=99");
    return std::nullopt;
  });
  EXPECT_TRUE(clock_.waited(seconds(100)));
}

TEST_F(DownloaderTest, ErrorsOfTheSinkEndTheJobAtOnce) {
  sink_->fail_appends_after(kMiB, base::make_error(Code::kNoSpace, "disk full"));
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
  const auto status = run(transport);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kNoSpace);
  EXPECT_LE(transport.requests().size(), 6U);
}

TEST_F(DownloaderTest, WaitsForWhatAnotherProcessFetches) {
  sink_->hold(3);
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
  std::jthread other([&] {
    while (sink_->appended() < blob_.size() - MemoryBlob::kChunk) std::this_thread::yield();
    sink_->finish_elsewhere(3, blob_);
  });
  expect_complete(run(transport));
  EXPECT_EQ(sink_->appended(), blob_.size() - MemoryBlob::kChunk);
}

TEST_F(DownloaderTest, StopEndsARunWithinASecond) {
  ScriptedTransport transport(serving([&](const HttpRequest& request, int) {
    Answer stuck = serve_range(request, blob_);
    stuck.body.resize(1000);
    stuck.hang = true;
    return stuck;
  }));
  std::stop_source stop;
  std::jthread stopper([&] {
    while (transport.requests().size() < 4) std::this_thread::yield();
    stop.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  const auto status = run(transport, patient(), stop.get_token());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(1));
}

TEST_F(DownloaderTest, KeepsTheByteRate) {
  blob_ = test_bytes(2 * kMiB);
  sink_ = std::make_shared<MemoryBlob>(blob_.size());
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
  DownloadLimits limits = patient();
  limits.bytes_per_second = 4 * kMiB;
  const auto begin = std::chrono::steady_clock::now();
  expect_complete(run(transport, limits));
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_GT(took, 0.475);
  EXPECT_LT(took, 1.0);  // a loaded machine is late, never early
}

TEST_F(DownloaderTest, ManyJobsShareTheConnections) {
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
  DownloadLimits limits = patient();
  limits.connections = 3;
  Downloader downloader(transport, limits, clock_, *log_);
  std::vector<std::shared_ptr<MemoryBlob>> sinks;
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 12; ++i) {
      sinks.push_back(std::make_shared<MemoryBlob>(blob_.size()));
      threads.emplace_back([&, sink = sinks.back()] {
        if (downloader.run({"sha256:ab", sink, std::make_shared<CountingBook>()}, {})) ++good;
      });
    }
  }
  EXPECT_EQ(good, 12);
  EXPECT_LE(transport.most_at_once(), 3U);
  for (const auto& sink : sinks) EXPECT_TRUE(sink->bytes() == blob_);
}

TEST_F(DownloaderTest, TheDestructorEndsWhatRuns) {
  ScriptedTransport transport(serving([](const HttpRequest&, int) {
    Answer stuck = broken(TransferEnd::kReset);
    stuck.hang = true;
    return stuck;
  }));
  base::SystemClock clock;
  auto downloader = std::make_unique<Downloader>(transport, DownloadLimits{}, clock, *log_);
  Downloader* const running = downloader.get();
  std::optional<base::Status> status;
  std::jthread runner([&] { status = running->run({"sha256:ab", sink_, book_}, {}); });
  while (transport.requests().empty()) std::this_thread::yield();
  downloader.reset();
  runner.join();
  ASSERT_TRUE(status && !*status);
  EXPECT_EQ(status->error().code, Code::kCancelled);
}

// Every answer is good or spoiled at random; whatever happens, no wrong byte is written.
TEST_F(DownloaderTest, NoWrongByteWhateverTheServerDoes) {
  std::uint64_t seed = 1;
  const auto dice = [&seed](std::uint64_t sides) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33) % sides;
  };
  for (int round = 0; round < 20; ++round) {
    sink_ = std::make_shared<MemoryBlob>(blob_.size());
    ScriptedTransport transport(
        serving([&](const HttpRequest& request, int) -> std::optional<Answer> {
          Answer made = serve_range(request, blob_);
          switch (dice(8)) {
            case 0:
              made.body.resize(dice(made.body.size() + 1));
              made.end = TransferEnd::kReset;
              break;
            case 1: made.body += "overlong"; break;
            case 2: return answer(503);
            case 3: return answer(206, made.body).with("Content-Range", "bytes 1-2/5255225");
            case 4: return broken(TransferEnd::kReset);
            default: break;
          }
          return made;
        }));
    const auto status = run(transport);
    if (status) {
      EXPECT_TRUE(sink_->bytes() == blob_) << "round " << round;
    }
    EXPECT_LE(sink_->appended(), blob_.size());
  }
}

}  // namespace
}  // namespace castool::fetch
