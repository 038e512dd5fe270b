// One copy of a blob at a time, ranges that a signature allows, connections that move: rows 16, 26,
// 33 and 34 of the network catalogue.
#include <algorithm>
#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/fetch/downloader_fixture.h"

namespace castool::fetch {
namespace {

using base::Code;
using testing::Answer;
using testing::answer;
using testing::redirect;
using testing::ScriptedTransport;
using testing::serve_range;

class CopiesTest : public DownloaderTest {
 protected:
  DownloadLimits one_connection() {
    DownloadLimits limits = patient();
    limits.connections = 1;
    return limits;
  }
};

TEST_F(CopiesTest, ASecondVersionDropsTheFirst) {
  const std::string old = test_bytes(blob_.size() + 1).substr(1);
  int served = 0;
  ScriptedTransport transport([&](const HttpRequest& request) {
    const bool changed = ++served > 2;
    const std::string etag = changed ? "\"new\"" : "\"old\"";
    const auto wanted = request.headers.get("If-Range");
    HttpRequest asked = request;
    if (wanted && *wanted != etag) asked.range.reset();
    return serve_range(asked, changed ? blob_ : old).with("ETag", etag);
  });
  expect_complete(run(transport, one_connection()));
  EXPECT_EQ(book_->fresh(), 1);
  const auto requests = transport.requests();
  // Two ranges that came, and the one that was asked for.
  EXPECT_EQ(sink_->forgotten(),
            requests[0].range->length + requests[1].range->length + requests[2].range->length);
  EXPECT_FALSE(requests[0].headers.get("If-Range"));
  EXPECT_EQ(requests[1].headers.get("If-Range"), "\"old\"");
  EXPECT_FALSE(requests[3].headers.get("If-Range"));
  EXPECT_EQ(requests[4].headers.get("If-Range"), "\"new\"");
}

TEST_F(CopiesTest, AVersionShowsAlsoWithoutIfRangeAndInRangesAtOnce) {
  // Every answer carries another ETag: dropped a few times, and then it is the digest's business.
  int served = 0;
  ScriptedTransport transport([&](const HttpRequest& request) {
    return serve_range(request, blob_).with("ETag", "\"" + std::to_string(++served) + "\"");
  });
  expect_complete(run(transport));
  EXPECT_GT(sink_->forgotten(), 0U);
  EXPECT_LE(book_->fresh(), 3);
}

TEST_F(CopiesTest, WeakVersionsSayNothing) {
  int served = 0;
  ScriptedTransport transport([&](const HttpRequest& request) {
    return serve_range(request, blob_).with("ETag", "W/\"" + std::to_string(++served) + "\"");
  });
  expect_complete(run(transport));
  EXPECT_EQ(sink_->forgotten(), 0U);
}

TEST_F(CopiesTest, MirrorsTakeTurnsAndOneIsKept) {
  int turn = 0;
  ScriptedTransport transport(
      serving([&](const HttpRequest& request, int) -> std::optional<Answer> {
        if (request.url.find("cdn.example") == std::string::npos) return std::nullopt;
        return redirect(302, "https://mirror" + std::to_string(++turn) + ".example/blob");
      }));
  expect_complete(run(transport, one_connection()));
  EXPECT_EQ(turn, 1);
  // When it fails, the address book's word counts again.
  sink_ = std::make_shared<MemoryBlob>(blob_.size());
  turn = 0;
  ScriptedTransport failing(serving([&](const HttpRequest& request, int) -> std::optional<Answer> {
    if (request.url.find("cdn.example") != std::string::npos) {
      return redirect(302, "https://mirror" + std::to_string(++turn) + ".example/blob");
    }
    if (request.url.find("mirror1.") != std::string::npos && request.range->offset > 0) {
      return answer(500);
    }
    return std::nullopt;
  }));
  expect_complete(run(failing, one_connection()));
  EXPECT_EQ(turn, 2);
}

TEST_F(CopiesTest, OfTwoHostsBehindANameOneIsKept) {
  int served = 0;
  ScriptedTransport transport([&](const HttpRequest& request) {
    Answer made = serve_range(request, blob_);
    made.peer_address = request.peer;
    if (request.peer.empty()) made.peer_address = ++served == 2 ? "192.0.2.2" : "192.0.2.1";
    return made;
  });
  expect_complete(run(transport, one_connection()));
  const auto requests = transport.requests();
  ASSERT_GE(requests.size(), 4U);
  EXPECT_EQ(requests[1].peer, "");
  for (std::size_t i = 2; i < requests.size(); ++i) EXPECT_EQ(requests[i].peer, "192.0.2.1");
}

TEST_F(CopiesTest, ASignatureForSmallRangesGetsThem) {
  blob_ = test_bytes(40 * kMiB);
  sink_ = std::make_shared<MemoryBlob>(blob_.size());
  expect_survived([](const HttpRequest& request, int) -> std::optional<Answer> {
    if (request.range && request.range->length <= kMiB) return std::nullopt;
    return answer(403, "<Error><Code>InvalidRange</Code></Error>");
  });
  EXPECT_EQ(book_->fresh(), 1);
}

TEST_F(CopiesTest, ASignatureForNoRangeGetsTheWhole) {
  for (const char* text : {"signature does not cover this Range", "denied"}) {
    sink_ = std::make_shared<MemoryBlob>(blob_.size());
    expect_survived([text](const HttpRequest& request, int) -> std::optional<Answer> {
      if (request.range) return answer(403, text);
      return std::nullopt;
    });
  }
}

TEST_F(CopiesTest, ARefusalOfEverythingEnds) {
  expect_failure([](const HttpRequest&, int) { return answer(403, "invalid range"); },
                 Code::kUnauthorized);
}

TEST_F(CopiesTest, ATrickleIsReplacedWhenOthersAreFaster) {
  // The last range stands still after some bytes on its first connection.
  std::atomic<int> tries{0};
  ScriptedTransport transport([&](const HttpRequest& request) {
    Answer made = serve_range(request, blob_);
    const bool last = request.range->end() == blob_.size();
    if (last && tries++ == 0) {
      made.body.resize(1000);
      made.hang = true;
    }
    return made;
  });
  expect_complete(run(transport));
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(sink_->appended(), blob_.size());
  EXPECT_EQ(transport.requests().back().range->offset % MemoryBlob::kChunk, 1000U);
  EXPECT_EQ(book_->fresh(), 0);
}

TEST_F(CopiesTest, TheOnlySlowConnectionIsLeftAlone) {
  blob_ = test_bytes(1000);
  sink_ = std::make_shared<MemoryBlob>(blob_.size());
  ScriptedTransport transport([&](const HttpRequest& request) {
    Answer made = serve_range(request, blob_);
    made.body.resize(500);
    made.hang = true;
    return made;
  });
  std::stop_source stop;
  std::jthread later([&] {
    // Longer than a laggard is watched.
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2500);
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_FALSE(run(transport, patient(), stop.get_token()));
  EXPECT_EQ(transport.requests().size(), 1U);
}

}  // namespace
}  // namespace castool::fetch
