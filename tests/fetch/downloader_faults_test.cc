// The fault catalogue (docs/reliability.md) against the downloader: what it survives, and how the
// rest ends.
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "fetch/downloader.h"
#include "tests/fetch/downloader_fixture.h"

namespace castool::fetch {
namespace {

using base::Code;
using std::chrono::seconds;
using testing::answer;
using testing::Answer;
using testing::broken;
using testing::redirect;
using testing::ScriptedTransport;
using testing::serve_range;

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
      {"401", answer(401)},
      {"403", answer(403)},
      {"404", answer(404)},
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
      {broken(TransferEnd::kAmbiguous), Code::kUnavailable},
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

TEST_F(DownloaderTest, GivesUpOnTheLastRangeToo) {
  sink_ = std::make_shared<MemoryBlob>(100);  // one range, and nothing else to do meanwhile
  DownloadLimits limits;
  limits.timeout = seconds(60);
  int requests = 0;
  ScriptedTransport dead(serving([&](const HttpRequest&, int) {
    // Without an end of its own the test would never have one.
    return ++requests < 1000 ? broken(TransferEnd::kReset) : answer(451);
  }));
  const auto silent = run(dead, limits);
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, Code::kUnavailable);
  EXPECT_LT(requests, 100);
}

TEST_F(DownloaderTest, ExpiryOfTheAddressUnderManyRequestsIsResolvedOnce) {
  expect_survived([&](const HttpRequest& request, int) -> std::optional<Answer> {
    if (request.url.find("/0?") != std::string::npos) return answer(403);
    return std::nullopt;
  });
  EXPECT_EQ(book_->fresh(), 1);
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
    EXPECT_LE(requests.size(), 9U);  // the first few at once, and then one
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
    longer.body.append(kMiB, 'x');
    return longer;
  }));
  expect_complete(run(transport));
  EXPECT_EQ(sink_->appended(), blob_.size());
  // Of what follows the end, at most the piece that it came with was read.
  EXPECT_LT(counters_.bytes_received, blob_.size() + counters_.requests * 32 * 1024);
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
