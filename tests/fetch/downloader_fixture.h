// What the tests of the downloader share: a blob, a sink for it, and a server with faults.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "fetch/downloader.h"
#include "tests/fetch/memory_blob.h"
#include "tests/fetch/recording_clock.h"
#include "tests/support/scripted_transport.h"

namespace castool::fetch {

inline constexpr std::size_t kMiB = 1 << 20;

class DownloaderTest : public ::testing::Test {
 protected:
  // Spoils the nth request's answer; nullopt: a good one.
  using Fault = std::function<std::optional<testing::Answer>(const HttpRequest&, int nth)>;

  testing::ScriptedTransport::Script serving(Fault fault) {
    return [this, fault = std::move(fault)](const HttpRequest& request) {
      auto spoiled = fault(request, ++requests_);
      return spoiled ? *std::move(spoiled) : testing::serve_range(request, blob_);
    };
  }
  // Shortened waits must not shorten the time that a loaded machine has to do the work.
  static DownloadLimits patient() {
    DownloadLimits limits;
    limits.timeout = std::chrono::hours(100);
    return limits;
  }
  base::Status run(testing::ScriptedTransport& transport, DownloadLimits limits = patient(),
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
    testing::ScriptedTransport transport(serving(std::move(fault)));
    expect_complete(run(transport));
    EXPECT_EQ(sink_->appended(), blob_.size());
  }
  void expect_failure(Fault fault, base::Code code) {
    testing::ScriptedTransport transport(serving(std::move(fault)));
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

}  // namespace castool::fetch
