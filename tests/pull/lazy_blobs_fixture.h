// Blobs that are read while they arrive, from origins in memory through a real store.
#pragma once

#include <unistd.h>

#include <atomic>
#include <future>
#include <span>
#include <thread>

#include "pull/lazy_blobs.h"
#include "tests/pull/pull_fixture.h"

namespace castool::pull {

using base::ByteRange;
using base::Code;

inline constexpr std::uint64_t kMiB = 1u << 20;

inline constexpr auto kLong = std::chrono::seconds(20);

class LazyBlobsTest : public PullFixture {
 protected:
  LazyBlobsTest() {
    FakeRepo& repo = fake_.repos["acme/model"];
    repo.files["config.json"] = {"{}", false};
    repo.files["weights.bin"] = {weights_, true};
    request_.extent = Extent::kLazy;
  }
  ~LazyBlobsTest() override { blobs_.reset(); }

  void pull_lazily(const std::string& source = "acme/model") {
    const auto outcome = pull_text(source);
    ASSERT_TRUE(outcome) << outcome.error().text();
    const auto saved = record(outcome->name);
    ASSERT_EQ(saved->state, manifest::RefState::kPartial);
    home_ = {saved->name, saved->origin, saved->revision, saved->kind, saved->manifest};
  }
  void start(LazyOptions options) { start_over(*store_, options); }
  void start_over(cas::Store& store, LazyOptions options) {
    fetch::DownloadLimits limits;
    limits.timeout = std::chrono::seconds(20);
    blobs_.reset();
    blobs_ = std::make_unique<LazyBlobs>(
        store, *refs_, origins_,
        [this] {
          auto made = std::make_unique<FakeTransport>(
              [this](const fetch::HttpRequest& request) { return fake_.answer(request); });
          transport_ = made.get();
          return made;
        },
        limits, options, clock_, *log_);
  }
  std::shared_ptr<LazyReader> open(const std::string& bytes) {
    auto reader = blobs_->open(home_, base::Sha256::of(bytes), bytes.size());
    EXPECT_TRUE(reader) << reader.error().text();
    return reader ? *reader : nullptr;
  }
  static std::future<base::Status> want(LazyBlob& blob, const ByteRange& range) {
    auto promise = std::make_shared<std::promise<base::Status>>();
    auto future = promise->get_future();
    static_cast<void>(
        blob.want(range, [promise](const base::Status& status) { promise->set_value(status); }));
    return future;
  }
  static std::future<base::Status> settled(LazyBlob& blob) {
    auto promise = std::make_shared<std::promise<base::Status>>();
    auto future = promise->get_future();
    static_cast<void>(
        blob.settled([promise](const base::Status& status) { promise->set_value(status); }));
    return future;
  }
  static base::Status get(std::future<base::Status> future) {
    if (future.wait_for(kLong) != std::future_status::ready) {
      return base::make_error(Code::kInternal, "it was never answered");
    }
    return future.get();
  }
  static std::string read(const LazyBlob& blob, const ByteRange& range) {
    std::string bytes(range.length, '\0');
    EXPECT_EQ(::pread(blob.fd(), bytes.data(), bytes.size(), static_cast<off_t>(range.offset)),
              static_cast<ssize_t>(range.length));
    return bytes;
  }
  // Leaves verifying and publishing to others.
  void write_as_another_process(const ByteRange& range) {
    const cas::PartialKey key{base::Sha256::of(weights_), weights_.size(), home_.origin};
    const auto partial = store_->open_partial(key, cas::Preallocate::kNo).value();
    const auto chunks = partial->claim(range.offset, range.length + kMiB, range).value();
    ASSERT_TRUE(chunks);
    const auto bytes = std::as_bytes(std::span(weights_).subspan(range.offset, range.length));
    ASSERT_TRUE(chunks->append(bytes));
  }
  void expect_verified_soon() {
    EXPECT_TRUE(soon([&] { return record("acme/model")->state == manifest::RefState::kComplete; }));
    EXPECT_TRUE(blob(weights_) == weights_);
  }
  // Of requests to the CDN for bytes.
  [[nodiscard]] std::vector<ByteRange> asked() const { return ranges_of(transport_->requests()); }
  // Of those that were not ended before all of it was here.
  [[nodiscard]] std::vector<ByteRange> received() const {
    return ranges_of(transport_->completed());
  }
  [[nodiscard]] static std::vector<ByteRange> ranges_of(
      const std::vector<fetch::HttpRequest>& requests) {
    std::vector<ByteRange> ranges;
    for (const auto& request : requests) {
      if (request.url.starts_with(kFakeCdn) && request.range) ranges.push_back(*request.range);
    }
    return ranges;
  }
  // Changes a byte of every answer that has it, the first `times`.
  void flip(std::uint64_t at, int times) {
    auto left = std::make_shared<std::atomic<int>>(times);
    fake_.after = [at, left](const fetch::HttpRequest& request, FakeAnswer& answer) {
      if (!request.url.starts_with(kFakeCdn) || !request.range) return;
      if (at < request.range->offset || at >= request.range->end()) return;
      if (left->fetch_sub(1) > 0) answer.body[at - request.range->offset] ^= 1;
    };
  }
  template <class Condition>
  static bool soon(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kLong;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  const std::string weights_ = bytes_of(9 * kMiB + 5, 2);
  BlobHome home_;
  FakeTransport* transport_ = nullptr;
  std::unique_ptr<LazyBlobs> blobs_;
};

inline constexpr LazyOptions kReadOnly{Fill::kNone, Verify::kLazy};
inline constexpr LazyOptions kTouched{Fill::kTouched, Verify::kLazy};
inline constexpr LazyOptions kStrict{Fill::kNone, Verify::kStrict};

}  // namespace castool::pull
