// A pull from origins in memory into a real store in a temporary directory.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/file_ops.h"
#include "cas/partial.h"
#include "fetch/downloader.h"
#include "fetch/http_client.h"
#include "pull/puller.h"
#include "tests/pull/fake_origins.h"

namespace castool::pull {

// Keeps what it is told, and checks the rules of PullEvents.
class RecordedEvents final : public PullEvents {
 public:
  void on_status(const std::string& text) override { statuses.push_back(text); }
  void on_progress(const std::string& label, const std::string&, std::uint64_t total,
                   std::uint64_t completed) override {
    EXPECT_LE(completed, total) << label;
    EXPECT_GE(completed, last[label]) << label << " goes back";
    last[label] = completed;
    totals[label] = total;
    if (on_bytes) on_bytes(completed);
  }
  std::function<void(std::uint64_t completed)> on_bytes;
  std::vector<std::string> statuses;
  std::map<std::string, std::uint64_t> last, totals;
};

class PullFixture : public testing::Test {
 protected:
  PullFixture() {
    // In memory where there is such a place: what a disk does is the store's tests' business.
    const std::string memory = "/dev/shm/";
    const bool in_memory = ::access(memory.c_str(), W_OK) == 0;
    std::string pattern = (in_memory ? memory : testing::TempDir()) + "castool-pull-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    origins_.hub_endpoint = kFakeHub;
    origins_.ollama_registry = kFakeRegistry;
    open_store();
    start_network();
  }
  ~PullFixture() override {
    stop_network();
    refs_.reset();
    store_.reset();
    std::filesystem::remove_all(root_);
  }

  void open_store() {
    auto store = cas::Store::open(root_ + "/store", cas::Access::kWrite, files_, clock_, *log_);
    ASSERT_TRUE(store) << store.error().text();
    store_ = *std::move(store);
    auto refs = cas::RefStore::open(*store_, "default");
    ASSERT_TRUE(refs);
    refs_.emplace(*std::move(refs));
  }
  // Forgets requests and connections.
  void start_network() {
    stop_network();
    network_ = std::make_unique<FakeTransport>(
        [this](const fetch::HttpRequest& request) { return fake_.answer(request); });
    http_ = std::make_unique<fetch::HttpClient>(*network_, clock_, *log_);
    downloader_ =
        std::make_unique<fetch::Downloader>(*network_, fetch::DownloadLimits{}, clock_, *log_);
  }
  void stop_network() {
    downloader_.reset();
    http_.reset();
    network_.reset();
  }

  base::Result<PullOutcome> pull_text(const std::string& source, std::stop_token stop = {}) {
    auto parsed = manifest::parse_source(source);
    if (!parsed) return std::move(parsed).error();
    request_.source = *std::move(parsed);
    events_.statuses.clear();
    events_.last.clear();
    events_.totals.clear();
    const PullContext context{*store_, *refs_, *http_, *downloader_, origins_, clock_, *log_};
    return pull(context, request_, events_, std::move(stop));
  }

  [[nodiscard]] std::vector<std::string> urls_at(const std::string& origin) const {
    std::vector<std::string> urls;
    for (const auto& request : network_->requests()) {
      if (request.url.starts_with(origin + "/")) urls.push_back(request.url);
    }
    return urls;
  }
  [[nodiscard]] std::optional<std::string> blob(const std::string& bytes) const {
    auto stored = store_->read_small(base::Sha256::of(bytes), bytes.size());
    if (!stored) return std::nullopt;
    return *stored;
  }
  [[nodiscard]] std::optional<manifest::RefRecord> record(const std::string& name) const {
    const auto text = refs_->get(name);
    if (!text || !*text) return std::nullopt;
    return manifest::parse_ref_record(**text).value();
  }
  // Everything below the store, to see that nothing was added.
  [[nodiscard]] std::vector<std::string> store_files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (entry.is_regular_file()) names.push_back(entry.path());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // `size` bytes that differ from chunk to chunk and from seed to seed.
  static std::string bytes_of(std::size_t size, unsigned seed) {
    std::string bytes(size, '\0');
    std::uint32_t state = seed * 2654435761u + 1;
    for (char& c : bytes) {
      state = state * 1664525u + 1013904223u;
      c = static_cast<char>(state >> 24);
    }
    return bytes;
  }

  std::string root_;
  base::SystemFileOps files_;
  base::SystemClock clock_{0.05};
  std::unique_ptr<base::Log> log_ = base::make_null_log();
  std::unique_ptr<cas::Store> store_;
  std::optional<cas::RefStore> refs_;
  Origins origins_;
  FakeOrigins fake_;
  std::unique_ptr<FakeTransport> network_;
  std::unique_ptr<fetch::HttpClient> http_;
  std::unique_ptr<fetch::Downloader> downloader_;
  PullRequest request_;
  RecordedEvents events_;
};

}  // namespace castool::pull
