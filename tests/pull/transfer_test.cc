// What becomes of a pull when bytes are cut, late, wrong, or not wanted any more.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>

#include "tests/pull/pull_fixture.h"

namespace castool::pull {
namespace {

using base::Code;
using testing::HasSubstr;

class Transfers : public PullFixture {
 protected:
  Transfers() { fake_.repos["acme/model"].files["weights.bin"] = {weights_, true}; }

  [[nodiscard]] static bool is_cdn(const fetch::HttpRequest& request) {
    return request.url.starts_with(std::string(kFakeCdn) + "/");
  }

  const std::string weights_ = bytes_of((9u << 20) + 7, 3);
};

TEST_F(Transfers, GoOnWhereTheyWereInterrupted) {
  // Some chunks of each range arrive, and then nothing until the pull is stopped.
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (is_cdn(request)) answer.hangs_after = (2u << 20) + 1000;
  };
  std::stop_source stop;
  constexpr std::uint64_t kEnough = 2u << 20;
  events_.on_bytes = [&stop](std::uint64_t completed) {
    if (completed >= kEnough) stop.request_stop();
  };
  const auto first = pull_text("acme/model", stop.get_token());
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, Code::kCancelled);
  EXPECT_EQ(record("acme/model"), std::nullopt);

  fake_.after = nullptr;
  start_network();
  open_store();
  const auto second = pull_text("acme/model");
  ASSERT_TRUE(second) << second.error().text();
  EXPECT_LE(second->bytes_fetched, weights_.size() - kEnough);
  EXPECT_EQ(second->bytes_fetched + second->bytes_reused, weights_.size());
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(Transfers, SurviveBrokenConnections) {
  std::atomic<int> ranges{0};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (is_cdn(request) && ranges++ % 2 == 0) answer.breaks_after = answer.body.size() / 2;
  };
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(Transfers, AskForNewAddressesWhenOldOnesExpire) {
  fake_.signatures_expire = true;
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(Transfers, FetchAgainOnlyTheChunkThatArrivedWrong) {
  std::atomic<bool> flipped{false};
  std::atomic<std::uint64_t> sent{0};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (!is_cdn(request)) return;
    sent += answer.body.size();
    if (!flipped.exchange(true)) answer.body[10] = static_cast<char>(answer.body[10] ^ 1);
  };
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(blob(weights_), weights_);
  EXPECT_LE(sent, 2 * weights_.size());
}

TEST_F(Transfers, AskAThirdTimeForFewChunksWhenBothCopiesWereDamaged) {
  // The first request for one chunk and the second one for another.
  std::atomic<int> first{0}, second{0};
  std::atomic<std::uint64_t> sent{0};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (!is_cdn(request) || !request.range) return;
    sent += answer.body.size();
    const auto flip = [&](std::uint64_t offset) {
      answer.body[offset - request.range->offset] ^= 1;
    };
    const auto covers = [&](std::uint64_t offset) {
      return request.range->offset <= offset && offset < request.range->end();
    };
    if (covers(5) && first++ == 0) flip(5);
    if (covers(8u << 20) && second++ == 1) flip(8u << 20);
  };
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(blob(weights_), weights_);
  EXPECT_EQ(sent, 2 * weights_.size() + 2 * cas::kChunkSize);
}

TEST_F(Transfers, GiveUpAnOriginWhoseCopiesAreAllDifferent) {
  std::atomic<std::uint64_t> sent{0};
  std::atomic<char> nth{0};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (!is_cdn(request)) return;
    sent += answer.body.size();
    const char garbage = nth++;
    for (std::size_t i = 0; i < answer.body.size(); i += 1000) answer.body[i] = garbage;
  };
  const auto outcome = pull_text("acme/model");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kDigestMismatch);
  EXPECT_THAT(outcome.error().text(), HasSubstr("two copies differ in the chunks 0+1048576, "));
  EXPECT_LE(sent, 2 * weights_.size());
  EXPECT_EQ(store_->usage()->blobs, 0u);
}

TEST_F(Transfers, PublishNothingWhenTheOriginIsWrong) {
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (is_cdn(request) && request.range && request.range->offset == 0) answer.body[0] ^= 1;
  };
  for (int again = 0; again < 2; ++again) {
    const auto outcome = pull_text("acme/model");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Code::kDigestMismatch);
    EXPECT_THAT(outcome.error().text(), HasSubstr(base::Sha256::of(weights_).text()));
    EXPECT_THAT(outcome.error().text(), HasSubstr("cdn.test"));
    EXPECT_THAT(outcome.error().text(), HasSubstr("every chunk of 0+9437191"));
    EXPECT_EQ(outcome.error().digest, base::Sha256::of(weights_).text());
    EXPECT_EQ(store_->usage()->blobs, 0u);
    EXPECT_EQ(record("acme/model"), std::nullopt);
  }
  fake_.after = nullptr;
  EXPECT_TRUE(pull_text("acme/model"));
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(Transfers, BelieveNothingOfWhatWasRejected) {
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (is_cdn(request) && request.range && request.range->offset == 0) answer.body[0] ^= 1;
  };
  ASSERT_FALSE(pull_text("acme/model"));
  const auto left = cas::list_partials(*store_);
  ASSERT_TRUE(left && left->size() == 1);
  EXPECT_EQ(left->front().present, 0u);
  std::atomic<std::uint64_t> sent{0};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (is_cdn(request)) sent += answer.body.size();
  };
  ASSERT_TRUE(pull_text("acme/model"));
  EXPECT_EQ(sent, weights_.size());
}

TEST_F(Transfers, FindRotOnDiskWithoutASecondCopy) {
  std::atomic<std::uint64_t> sent{0};
  std::stop_source stop;
  // All but the last chunk arrives, and then the pull is stopped.
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    const bool last = request.range && request.range->end() == weights_.size();
    if (is_cdn(request) && last) answer.hangs_after = answer.body.size() - 7;
  };
  events_.on_bytes = [&](std::uint64_t completed) {
    if (completed >= weights_.size() - 7) stop.request_stop();
  };
  ASSERT_FALSE(pull_text("acme/model", stop.get_token()));
  const auto folder = std::filesystem::directory_iterator(root_ + "/store/partials")->path();
  std::fstream data(folder / "data", std::ios::in | std::ios::out | std::ios::binary);
  data.seekp((3 << 20) + 9);
  data.put(static_cast<char>(weights_[(3u << 20) + 9] ^ 1));
  data.close();

  start_network();
  open_store();
  events_.on_bytes = nullptr;
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (is_cdn(request)) sent += answer.body.size();
  };
  ASSERT_TRUE(pull_text("acme/model"));
  EXPECT_EQ(blob(weights_), weights_);
  EXPECT_EQ(sent, cas::kChunkSize + 7);
}

TEST_F(Transfers, AskForTheSecondCopyAtAFreshAddress) {
  std::atomic<int> asked{0};
  std::atomic<bool> flipped{false};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (request.url.find("/resolve/") != std::string::npos) ++asked;
    if (is_cdn(request) && !flipped.exchange(true)) answer.body[10] ^= 1;
  };
  ASSERT_TRUE(pull_text("acme/model"));
  EXPECT_EQ(asked, 2);
}

TEST_F(Transfers, OfWrongSmallFilesPublishNothing) {
  fake_.repos["acme/model"].files = {{"config.json", {R"({"a":1})", false}},
                                     {"small.bin", {"small", true}}};
  for (const char* wrong : {R"({"a":2})", "small!", "", "shor"}) {
    fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
      const bool data = is_cdn(request) || request.url.find("/direct/") != std::string::npos;
      if (data) answer.body = wrong;
    };
    const auto outcome = pull_text("acme/model");
    ASSERT_FALSE(outcome) << wrong;
    EXPECT_EQ(outcome.error().code, Code::kDigestMismatch) << outcome.error().text();
    EXPECT_EQ(store_->usage()->blobs, 0u);
  }
}

TEST_F(Transfers, OfSmallFilesAreTriedAgain) {
  fake_.repos["acme/model"].files = {{"config.json", {R"({"a":1})", false}}};
  std::atomic<int> tries{0};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (request.url.find("/direct/") == std::string::npos) return;
    const int nth = tries++;
    if (nth == 0) answer.status = 503;
    if (nth == 1) answer.breaks_after = 3;
    if (nth == 2) answer.body[0] = '!';
  };
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(tries, 4);
}

TEST_F(Transfers, OfSmallLfsFilesBeginAnewWhenTheyBreak) {
  fake_.repos["acme/model"].files = {{"small.bin", {"small and large", true}}};
  std::atomic<int> tries{0};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (is_cdn(request) && tries++ == 0) answer.breaks_after = 3;
  };
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(tries, 2);
}

TEST_F(Transfers, EndSoonAfterAStop) {
  for (const char* where : {"/revision/", "/tree/", "/resolve/", kFakeCdn}) {
    std::stop_source stop;
    fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
      if (request.url.find(where) == std::string::npos) return;
      answer.hangs_after = 0;
      stop.request_stop();
    };
    const auto began = std::chrono::steady_clock::now();
    const auto outcome = pull_text("acme/model", stop.get_token());
    ASSERT_FALSE(outcome) << where;
    EXPECT_EQ(outcome.error().code, Code::kCancelled) << where << outcome.error().text();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5)) << where;
  }
}

TEST_F(Transfers, OfTwoPullersShareOneDownload) {
  std::atomic<std::uint64_t> sent{0};
  fake_.after = [&](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (is_cdn(request)) sent += answer.body.size();
  };
  request_.source = manifest::parse_source("acme/model").value();
  const PullContext context{*store_, *refs_, *http_, *downloader_, origins_, clock_, *log_};
  PullRequest named = request_;
  named.name = "second";
  RecordedEvents other_events;
  base::Result<PullOutcome> other = base::make_error(Code::kInternal, "not run");
  {
    const std::jthread thread([&] { other = pull(context, named, other_events, {}); });
    const auto mine = pull(context, request_, events_, {});
    EXPECT_TRUE(mine) << mine.error().text();
  }
  EXPECT_TRUE(other) << other.error().text();
  EXPECT_EQ(sent, weights_.size());
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(Transfers, NeedRoomOnTheDisk) {
  // Larger than any disk, and nothing of it is asked for.
  fake_.before = [this](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    if (request.url.find("/tree/") == std::string::npos) return std::nullopt;
    FakeAnswer answer;
    answer.body = R"([{"type":"file","path":"w","size":4611686018427387904,"oid":")" +
                  std::string(40, 'a') + R"(","lfs":{"oid":")" + std::string(64, 'b') +
                  R"(","size":4611686018427387904,"pointerSize":130}}])";
    return answer;
  };
  const auto outcome = pull_text("acme/model");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kNoSpace);
  EXPECT_THAT(outcome.error().text(), HasSubstr("4657802878611661783"));
}

}  // namespace
}  // namespace castool::pull
