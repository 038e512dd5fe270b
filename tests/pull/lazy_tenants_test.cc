// A model that was pulled lazily names what another tenant brought here: its origin is asked, as if
// nobody had it.
#include <gmock/gmock.h>

#include "cas/deliveries.h"
#include "cas/quota_store.h"
#include "pull/model_blobs.h"
#include "pull/quota.h"
#include "pull/read_rights.h"
#include "pull/ref_completion.h"
#include "tests/pull/lazy_blobs_fixture.h"

namespace castool::pull {
namespace {

class LazyTenants : public LazyBlobsTest {
 protected:
  LazyTenants() {
    fake_.repos["victim/secret"].files["weights.bin"] = {weights_, true};
    FakeRepo& repo = fake_.repos["evil/model"];
    repo.files["a.bin"] = {"harmless", true};
    repo.files["config.json"] = {"{}", false};
    repo.files["weights.bin"] = {weights_, true};
    withhold(true);
  }

  // Whether the evil origin only knows the digest of what it lists.
  void withhold(bool whether) {
    fake_.before = [whether](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
      const bool asks = request.url.find("evil/model/resolve") != std::string::npos &&
                        request.url.ends_with("weights.bin");
      if (!whether || !asks) return std::nullopt;
      FakeAnswer answer;
      answer.status = 404;
      answer.headers.add("X-Error-Code", "EntryNotFound");
      return answer;
    };
  }
  void victim_pulls() {
    auto refs = cas::RefStore::open(*store_, "victim").value();
    RecordedEvents events;
    PullRequest request;
    request.source = manifest::parse_source("victim/secret").value();
    const PullContext context{*store_, refs, *http_, *downloader_, origins_, clock_, *log_};
    const auto pulled = pull(context, request, events, {});
    ASSERT_TRUE(pulled) << pulled.error().text();
    ASSERT_TRUE(store_->size_of(digest_).value());
  }
  // Everything that could tell the evil model's tenant that the blob is here.
  void expect_as_absent() {
    EXPECT_FALSE(ReadRights(*store_, refs_->ns()).may_read(home_.origin, digest_));
    ASSERT_TRUE(complete_refs_of(*store_, *refs_, {digest_}));
    const auto saved = record("evil/model");
    ASSERT_TRUE(saved);
    EXPECT_EQ(saved->state, manifest::RefState::kPartial);
    EXPECT_EQ(saved->bytes_present, 10u);
    const auto charges = charges_of(*store_, refs_->ns(), {}).value();
    EXPECT_FALSE(charges.contains(digest_) && charges.at(digest_) > 0);

    start(kTouched);
    const auto reader = open(weights_);
    ASSERT_TRUE(reader);
    const auto got = get(want(reader->blob(), {0, 100}));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Code::kNotFound);
    EXPECT_EQ(read(reader->blob(), {0, 100}), std::string(100, '\0'));
    EXPECT_EQ(blobs_->status(home_, digest_).present, 0u);
  }

  const base::Digest digest_ = base::Sha256::of(weights_);
};

TEST_F(LazyTenants, WhatWasNamedBeforeOthersBroughtItStaysAbsent) {
  pull_lazily("evil/model");
  victim_pulls();
  expect_as_absent();
}

TEST_F(LazyTenants, WhatIsNamedAfterOthersBroughtItIsAbsent) {
  victim_pulls();
  pull_lazily("evil/model");
  expect_as_absent();
}

TEST_F(LazyTenants, AWrongSizeTellsNothing) {
  victim_pulls();
  // The listing calls a shorter text by the digest of the other one.
  fake_.after = [this](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (request.url.find("evil/model/tree") == std::string::npos) return;
    const std::string size = std::to_string(weights_.size());
    const std::string other = std::to_string(weights_.size() - 1);
    for (auto at = answer.body.find(size); at != std::string::npos; at = answer.body.find(size)) {
      answer.body.replace(at, size.size(), other);
    }
  };
  pull_lazily("evil/model");
  EXPECT_EQ(record("evil/model")->bytes_present, 10u);
}

TEST_F(LazyTenants, AReaderGetsWhatTheOwnOriginSends) {
  withhold(false);
  pull_lazily("evil/model");
  victim_pulls();
  start(kTouched);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {0, 100})));
  EXPECT_EQ(read(reader->blob(), {0, 100}), weights_.substr(0, 100));
  EXPECT_FALSE(asked().empty());
  ASSERT_TRUE(get(settled(reader->blob())));
  // Now it has delivered all of it.
  EXPECT_TRUE(cas::was_delivered(*store_, home_.origin, digest_));
  EXPECT_TRUE(soon([&] { return record("evil/model")->state == manifest::RefState::kComplete; }));
}

TEST_F(LazyTenants, AnOriginThatHasItProvesItAtOnce) {
  withhold(false);
  victim_pulls();
  const auto before = downloader_->counters().bytes_received;
  const auto outcome = pull_text("evil/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(record("evil/model")->state, manifest::RefState::kComplete);
  EXPECT_LT(downloader_->counters().bytes_received - before, weights_.size() / 2);
}

TEST_F(LazyTenants, WhatTheNamespaceHasItselfItReads) {
  pull_lazily("evil/model");
  request_.extent = Extent::kWhole;
  ASSERT_TRUE(pull_text("victim/secret"));
  EXPECT_TRUE(ReadRights(*store_, refs_->ns()).may_read(home_.origin, digest_));
  ASSERT_TRUE(complete_refs_of(*store_, *refs_, {digest_}));
  EXPECT_EQ(record("evil/model")->state, manifest::RefState::kComplete);
}

TEST_F(LazyBlobsTest, WhatIsBeyondTheQuotaIsAnErrorOfThatRead) {
  pull_lazily();
  const auto held = [&] { return total(charges_of(*store_, refs_->ns(), {}).value()); };
  const std::uint64_t limit = held() + 3 * kMiB;
  ASSERT_TRUE(cas::write_quota(*store_, refs_->ns(), limit));
  start(kReadOnly);
  const auto reader = open(weights_);
  std::uint64_t chunk = 0;
  base::Status status = base::ok();
  for (; status && chunk * kMiB < weights_.size(); ++chunk) {
    status = get(want(reader->blob(), {chunk * kMiB, 5}));
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kQuota);
  EXPECT_LE(held(), limit);
  // What is here is read, and the rest once there is room.
  EXPECT_TRUE(get(want(reader->blob(), {0, 5})));
  ASSERT_TRUE(cas::write_quota(*store_, refs_->ns(), std::nullopt));
  EXPECT_TRUE(get(want(reader->blob(), {(chunk - 1) * kMiB, 5})));
}

TEST_F(LazyBlobsTest, AQuotaThatIsJustLargeEnoughIsNoObstacle) {
  pull_lazily();
  const auto held = total(charges_of(*store_, refs_->ns(), {}).value());
  ASSERT_TRUE(cas::write_quota(*store_, refs_->ns(), held + weights_.size()));
  start(kTouched);
  const auto reader = open(weights_);
  ASSERT_TRUE(get(want(reader->blob(), {5 * kMiB, 5})));
  EXPECT_TRUE(get(settled(reader->blob())));
}

}  // namespace
}  // namespace castool::pull
