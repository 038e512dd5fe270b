#include "fetch/downloader.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/fetch/downloader_fixture.h"

namespace castool::fetch {
namespace {

using base::Code;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Answer;
using testing::broken;
using testing::redirect;
using testing::ScriptedTransport;
using testing::serve_range;

TEST_F(DownloaderTest, FetchesInRangesOverAFewConnections) {
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
  expect_complete(run(transport));
  EXPECT_EQ(counters_.bytes_received, blob_.size());
  EXPECT_EQ(counters_.requests, transport.requests().size());
  EXPECT_EQ(counters_.retries, 0U);
  EXPECT_GE(transport.most_at_once(), 2U);
  EXPECT_LE(transport.most_at_once(), 8U);  // a modest number at first
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

TEST_F(DownloaderTest, RenewsAnAddressBeforeItExpires) {
  book_->set_lifetime(milliseconds(-1));
  expect_survived([](const HttpRequest&, int) { return std::nullopt; });
  EXPECT_GT(book_->fresh(), 0);
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

TEST_F(DownloaderTest, DemandGetsAConnectionWhileBulkHoldsAll) {
  // Bulk answers never end; the demand's does.
  ScriptedTransport transport([&](const HttpRequest& request) {
    Answer made = serve_range(request, blob_);
    if (request.url.find("/bulk") != std::string::npos) {
      made.body.resize(1000);
      made.hang = true;
    }
    return made;
  });
  class Book final : public AddressBook {
   public:
    explicit Book(std::string url) : url_(std::move(url)) {}
    base::Result<BlobAddress> address(Need, std::stop_token) override {
      BlobAddress address;
      address.url = url_;
      return address;
    }

   private:
    const std::string url_;
  };
  DownloadLimits limits = patient();
  limits.connections = 2;
  base::SystemClock clock;  // a stall takes its 30 s
  Downloader downloader(transport, limits, clock, *log_);
  std::stop_source stop;
  std::jthread bulk([&] {
    const auto status = downloader.run(
        {"sha256:ab", sink_, std::make_shared<Book>("https://cdn.example/bulk")}, stop.get_token());
    EXPECT_FALSE(status);
  });
  while (transport.requests().size() < 2) std::this_thread::yield();
  const auto wanted = std::make_shared<MemoryBlob>(blob_.size());
  const auto status =
      downloader.run({"sha256:cd", wanted, std::make_shared<Book>("https://cdn.example/demand"),
                      Priority::kDemand},
                     {});
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_TRUE(wanted->bytes() == blob_);
  EXPECT_EQ(transport.most_at_once(), 3U);  // one above the limit, never more
  stop.request_stop();
}

TEST_F(DownloaderTest, AsksForAnAddressWithoutHoldingASlot) {
  ScriptedTransport transport(serving([](const HttpRequest&, int) { return std::nullopt; }));
  const auto budget = std::make_shared<TransferBudget>(1, 0, clock_);
  // An address book that needs a slot of its own, as one over HTTP does.
  class Asking final : public AddressBook {
   public:
    explicit Asking(TransferBudget& budget) : budget_(budget) {}
    base::Result<BlobAddress> address(Need need, std::stop_token stop) override {
      const HeldSlot slot(budget_, Priority::kBackground, stop);
      return book_.address(need, stop);
    }

   private:
    TransferBudget& budget_;
    CountingBook book_;
  };
  Downloader downloader(transport, patient(), clock_, *log_, nullptr, budget);
  expect_complete(downloader.run({"sha256:ab", sink_, std::make_shared<Asking>(*budget)}, {}));
  EXPECT_EQ(transport.most_at_once(), 1U);
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

}  // namespace
}  // namespace castool::fetch
