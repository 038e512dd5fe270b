#include "pull/lazy_blobs.h"

#include <filesystem>
#include <set>

#include <gmock/gmock.h>

#include "tests/pull/lazy_blobs_fixture.h"

namespace castool::pull {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(LazyBlobsTest, OpeningTalksToNobody) {
  pull_lazily();
  start(kTouched);
  const auto reader = open(weights_);
  EXPECT_EQ(transport_, nullptr);
  EXPECT_EQ(blobs_->status(home_, base::Sha256::of(weights_)).present, 0u);
}

TEST_F(LazyBlobsTest, AReadFetchesItsOwnChunksAndNoMore) {
  pull_lazily();
  start(kReadOnly);
  const auto reader = open(weights_);
  const ByteRange range{5 * kMiB - 3, 10};
  ASSERT_TRUE(get(want(reader->blob(), range)));
  EXPECT_EQ(read(reader->blob(), range), weights_.substr(range.offset, range.length));
  auto ranges = asked();
  std::sort(ranges.begin(), ranges.end());
  EXPECT_THAT(ranges, ElementsAre(ByteRange{4 * kMiB, kMiB}, ByteRange{5 * kMiB, kMiB}));
  EXPECT_EQ(reader->blob().bytes_present(), 2 * kMiB);
  // What is here costs nothing.
  ASSERT_TRUE(get(want(reader->blob(), {4 * kMiB, kMiB})));
  EXPECT_EQ(asked().size(), 2u);
}

TEST_F(LazyBlobsTest, WhatWasTouchedIsCompletedVerifiedAndNoted) {
  pull_lazily();
  start(kTouched);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {kMiB, 1})));
  ASSERT_TRUE(get(settled(reader->blob())));
  EXPECT_EQ(blob(weights_), weights_);
  EXPECT_TRUE(soon([&] { return record("acme/model")->state == manifest::RefState::kComplete; }));
  EXPECT_EQ(record("acme/model")->bytes_present, weights_.size() + 2);
  // The same descriptor goes on.
  ASSERT_TRUE(get(want(reader->blob(), {0, weights_.size()})));
  EXPECT_EQ(read(reader->blob(), {0, weights_.size()}), weights_);
}

TEST_F(LazyBlobsTest, ReadingAllOfItVerifiesItWithoutAFill) {
  pull_lazily();
  start(kReadOnly);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {0, weights_.size()})));
  ASSERT_TRUE(get(settled(reader->blob())));
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(LazyBlobsTest, WhatIsHereWhenItIsReadIsVerifiedWithoutAFill) {
  pull_lazily();
  start(kReadOnly);
  write_as_another_process({0, weights_.size()});
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {0, 1})));
  ASSERT_TRUE(get(settled(reader->blob())));
  EXPECT_TRUE(blob(weights_) == weights_);
}

TEST_F(LazyBlobsTest, WhatIsHereWhenItsLastReaderLeavesIsVerifiedWithoutAFill) {
  pull_lazily();
  start(kReadOnly);
  auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {9 * kMiB, 1})));  // nothing is read ahead of there
  write_as_another_process({0, 9 * kMiB});
  reader.reset();
  expect_verified_soon();
}

TEST_F(LazyBlobsTest, ReadingAllOfItAndLeavingVerifiesItWithoutAFill) {
  pull_lazily();
  start(kReadOnly);
  auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {0, weights_.size()})));
  reader.reset();
  expect_verified_soon();
}

// A mount is handed over while another process, or the old daemon itself, publishes.
TEST_F(LazyBlobsTest, WhatWasGivenOutBeforeItWasStoredIsComparedWithIt) {
  pull_lazily();
  start(kReadOnly);
  flip(0, 1);
  auto first = open(weights_);
  ASSERT_TRUE(get(want(first->blob(), {9 * kMiB, 1})));
  const std::string right = first->blob().given_out();
  ASSERT_TRUE(get(want(first->blob(), {0, 1})));
  const std::string wrong = first->blob().given_out();
  first.reset();
  request_.extent = Extent::kWhole;
  ASSERT_TRUE(pull_text("acme/model"));

  for (const bool sidecar : {true, false}) {
    if (!sidecar) std::filesystem::remove_all(root_ + "/store/sums");
    start(kReadOnly);
    const auto reader = open(weights_);
    reader->blob().go_on_from(right);
    EXPECT_TRUE(get(want(reader->blob(), {0, weights_.size()}))) << sidecar;
    reader->blob().go_on_from(wrong);
    EXPECT_EQ(get(want(reader->blob(), {0, 1})).error().code, Code::kDigestMismatch) << sidecar;
  }
}

TEST_F(LazyBlobsTest, AThousandReadersMakeOneDownload) {
  pull_lazily();
  start(kTouched);
  const auto first = open(weights_);
  const auto second = open(weights_);
  std::vector<std::future<base::Status>> wants;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    LazyBlob& blob = i % 2 == 0 ? first->blob() : second->blob();
    wants.push_back(want(blob, {(i * 7919 * 1013) % weights_.size(), 1}));
  }
  for (auto& each : wants) ASSERT_TRUE(get(std::move(each)));
  ASSERT_TRUE(get(settled(first->blob())));
  std::uint64_t bytes = 0;
  for (const auto& range : asked()) bytes += range.length;
  EXPECT_EQ(bytes, weights_.size());
}

TEST_F(LazyBlobsTest, StrictGivesOutNothingBeforeTheWholeIsVerified) {
  pull_lazily();
  std::atomic<bool> held{true};
  fake_.before = [&held](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    const bool last = request.range && request.range->end() > 9 * kMiB;
    if (!request.url.starts_with(kFakeCdn) || !last || !held) return std::nullopt;
    FakeAnswer busy;
    busy.status = 503;
    return busy;
  };
  start(kStrict);
  const auto reader = open(weights_);
  auto read_of_front = want(reader->blob(), {0, 1});
  ASSERT_TRUE(soon([&] { return reader->blob().bytes_present() >= 8 * kMiB; }));
  EXPECT_EQ(read_of_front.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  held = false;
  ASSERT_TRUE(get(std::move(read_of_front)));
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(LazyBlobsTest, AFailureIsOfThatReadAndTheNextTriesAgain) {
  pull_lazily();
  std::atomic<bool> gone{true};
  fake_.before = [&gone](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    if (!request.url.starts_with(kFakeCdn) || !gone) return std::nullopt;
    FakeAnswer missing;
    missing.status = 404;
    return missing;
  };
  start(kReadOnly);
  const auto reader = open(weights_);
  EXPECT_EQ(get(want(reader->blob(), {0, 1})).error().code, Code::kNotFound);
  gone = false;
  EXPECT_TRUE(get(want(reader->blob(), {0, 1})));
}

TEST_F(LazyBlobsTest, AWrongChunkThatNobodyGotIsMendedUnseen) {
  pull_lazily();
  flip(7 * kMiB, 1);
  start(kTouched);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {0, 1})));
  EXPECT_TRUE(get(settled(reader->blob())));
  EXPECT_EQ(blob(weights_), weights_);
  EXPECT_EQ(read(reader->blob(), {7 * kMiB, 1}), weights_.substr(7 * kMiB, 1));
}

TEST_F(LazyBlobsTest, WhoGotAWrongChunkGetsErrorsAndANewOpenTheMendedBlob) {
  pull_lazily();
  flip(7 * kMiB, 1);
  start(kTouched);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {7 * kMiB, 1})));
  ASSERT_NE(read(reader->blob(), {7 * kMiB, 1}), weights_.substr(7 * kMiB, 1));
  EXPECT_EQ(get(settled(reader->blob())).error().code, Code::kDigestMismatch);
  EXPECT_EQ(get(want(reader->blob(), {0, 1})).error().code, Code::kDigestMismatch);
  EXPECT_EQ(blob(weights_), weights_);
  const auto again = open(weights_);
  ASSERT_TRUE(get(want(again->blob(), {0, weights_.size()})));
  EXPECT_EQ(read(again->blob(), {0, weights_.size()}), weights_);
  EXPECT_TRUE(soon([&] { return record("acme/model")->state == manifest::RefState::kComplete; }));
}

TEST_F(LazyBlobsTest, StrictReadersNeverSeeThatAChunkWasWrong) {
  pull_lazily();
  flip(7 * kMiB, 1);
  start(kStrict);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {7 * kMiB, 1})));
  EXPECT_EQ(read(reader->blob(), {0, weights_.size()}), weights_);
}

TEST_F(LazyBlobsTest, WhatCannotBeMendedIsDamagedForAll) {
  pull_lazily();
  flip(7 * kMiB, 1'000'000);
  start(kTouched);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {0, 1})));
  EXPECT_EQ(get(settled(reader->blob())).error().code, Code::kDigestMismatch);
  EXPECT_EQ(get(want(reader->blob(), {0, 1})).error().code, Code::kDigestMismatch);
  const base::Digest digest = base::Sha256::of(weights_);
  EXPECT_TRUE(blobs_->status(home_, digest).damaged);
  EXPECT_EQ(blobs_->open(home_, digest, weights_.size()).error().code, Code::kDigestMismatch);
  EXPECT_FALSE(blob(weights_));
  EXPECT_TRUE(soon([&] { return record("acme/model")->state == manifest::RefState::kDamaged; }));
}

TEST_F(LazyBlobsTest, OfflineOnlyWhatIsHereCanBeRead) {
  pull_lazily();
  start(kReadOnly);
  auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {3 * kMiB, 1})));  // nothing is read ahead of there
  reader.reset();
  origins_.offline = true;
  start(kTouched);
  transport_ = nullptr;
  reader = open(weights_);
  EXPECT_TRUE(get(want(reader->blob(), {3 * kMiB + 5, 1})));
  EXPECT_EQ(get(want(reader->blob(), {kMiB, 1})).error().code, Code::kUnavailable);
  EXPECT_EQ(transport_, nullptr);
}

TEST_F(LazyBlobsTest, ACancelledReadIsToldAndEndsItsFetch) {
  pull_lazily();
  fake_.before = [](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    if (!request.url.starts_with(kFakeCdn)) return std::nullopt;
    FakeAnswer stuck;
    stuck.status = 206;
    stuck.hangs_after = 0;
    return stuck;
  };
  start(kReadOnly);
  auto reader = open(weights_);
  auto promise = std::make_shared<std::promise<base::Status>>();
  const auto ticket = reader->blob().want(
      {0, 1}, [promise](const base::Status& status) { promise->set_value(status); });
  ASSERT_NE(ticket, 0u);
  reader->blob().cancel(ticket);
  reader->blob().cancel(ticket);  // once is enough
  EXPECT_EQ(get(promise->get_future()).error().code, Code::kCancelled);
  // A transfer that never ends holds up neither the last reader nor the end of the mount.
  auto pending = want(reader->blob(), {kMiB, 1});
  const auto began = std::chrono::steady_clock::now();
  reader.reset();
  blobs_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  EXPECT_EQ(get(std::move(pending)).error().code, Code::kCancelled);
}

TEST_F(LazyBlobsTest, ABlobWithoutReadersIsLetGo) {
  pull_lazily();
  start(kReadOnly);
  auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {0, 1})));
  const std::weak_ptr<LazyBlob> blob = reader->blob().weak_from_this();
  reader.reset();
  EXPECT_TRUE(soon([&] { return blob.expired(); }));
}

TEST_F(LazyBlobsTest, AnotherReaderGoesOnWhereTheLastOneStopped) {
  pull_lazily();
  start(kReadOnly);
  auto reader = open(weights_);
  for (int i = 0; i < 20; ++i) {
    const auto at = static_cast<std::uint64_t>(i) * 400'000;
    ASSERT_TRUE(get(want(reader->blob(), {at, 1}))) << i;
    reader.reset();
    reader = open(weights_);
  }
  // What was on its way when a reader left may have been let go.
  std::set<ByteRange> distinct;
  for (const auto& range : received()) EXPECT_TRUE(distinct.insert(range).second);
}

TEST_F(LazyBlobsTest, NothingIsFilledWhileSomebodyWaits) {
  const std::string other = bytes_of(9 * kMiB, 8);
  fake_.repos["acme/model"].files["other.bin"] = {other, true};
  pull_lazily();
  const std::string hex = base::Sha256::of(weights_).hex();
  fake_.after = [hex](const fetch::HttpRequest& request, FakeAnswer& answer) {
    const bool of_it =
        request.url.starts_with(kFakeCdn) && request.url.find(hex) != request.url.npos;
    if (of_it) answer.hangs_after = 0;
  };
  start(kTouched);
  const auto waiting = open(weights_);
  auto pending = want(waiting->blob(), {0, 1});
  const auto reader = open(other);
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(get(want(reader->blob(), {5 * kMiB, 1})));
  EXPECT_TRUE(get(settled(reader->blob())));
  // The other read waits for its time-out, a second here.
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(800));
  EXPECT_EQ(get(std::move(pending)).error().code, Code::kUnavailable);
  EXPECT_EQ(blob(other), other);
}

TEST_F(LazyBlobsTest, FillWithoutAReader) {
  pull_lazily();
  start({Fill::kAll, Verify::kLazy});
  blobs_->fill(home_, base::Sha256::of(weights_), weights_.size());
  EXPECT_TRUE(soon([&] { return record("acme/model")->state == manifest::RefState::kComplete; }));
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(LazyBlobsTest, ARegistryIsAskedForItsLayer) {
  const std::string layer = bytes_of(3 * kMiB + 99, 4);
  fake_.registry_token = "secret-token";
  fake_.add_model("library/tiny", "1b", layer);
  pull_lazily("tiny:1b");
  start(kTouched);
  const auto reader = open(layer);
  ASSERT_TRUE(get(want(reader->blob(), {2 * kMiB, 5})));
  EXPECT_EQ(read(reader->blob(), {2 * kMiB, 5}), layer.substr(2 * kMiB, 5));
  EXPECT_TRUE(get(settled(reader->blob())));
  EXPECT_EQ(blob(layer), layer);
}

TEST_F(LazyBlobsTest, TheTokenGoesOnlyToTheEndpointItIsFor) {
  pull_lazily();
  origins_.hub_token = "hf_canary";
  start(kReadOnly);
  {
    const auto reader = open(weights_);
    ASSERT_TRUE(get(want(reader->blob(), {0, 1})));
    int sent = 0;
    for (const auto& request : transport_->requests()) {
      const bool to_hub = request.url.starts_with(std::string(kFakeHub) + "/");
      const auto token = request.headers.get("Authorization");
      EXPECT_EQ(token.has_value(), to_hub) << request.url;
      sent += token ? 1 : 0;
    }
    EXPECT_GT(sent, 0);
  }
  // The mount's own endpoint is another one now: the token is not for the old one.
  origins_.hub_endpoint = "https://other.test";
  start(kReadOnly);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {4 * kMiB, 1})));
  for (const auto& request : transport_->requests()) {
    EXPECT_EQ(request.headers.get("Authorization"), std::nullopt) << request.url;
    EXPECT_THAT(request.url, ::testing::Not(HasSubstr("/api/")));  // nothing is resolved again
  }
}

}  // namespace
}  // namespace castool::pull
