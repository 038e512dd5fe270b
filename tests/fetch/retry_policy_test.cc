#include "fetch/retry_policy.h"

#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

using base::Code;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

Outcome status(int code, std::optional<nanoseconds> hint = std::nullopt) {
  Outcome outcome;
  outcome.status = code;
  outcome.hint = hint;
  return outcome;
}

Outcome ended(TransferEnd end) {
  Outcome outcome;
  outcome.end = end;
  return outcome;
}

TEST(Backoff, DoublesFromOneToEightSecondsWithJitter) {
  EXPECT_EQ(backoff(1, 0.0), milliseconds(500));
  EXPECT_EQ(backoff(1, 1.0), seconds(1));
  EXPECT_EQ(backoff(2, 1.0), seconds(2));
  EXPECT_EQ(backoff(4, 1.0), seconds(8));
  EXPECT_EQ(backoff(400, 1.0), seconds(8));
  EXPECT_EQ(backoff(0, 1.0), seconds(1));
}

TEST(FailedRequest, Table) {
  struct Row {
    const char* what;
    Outcome outcome;
    int failures;
    Step step;
    nanoseconds wait;
    Code code;
  };
  const std::vector<Row> rows = {
      {"503 first", status(503), 1, Step::kRetry, seconds(1), Code::kUnavailable},
      {"503 third", status(503), 3, Step::kRetry, seconds(4), Code::kUnavailable},
      {"503 last", status(503), 5, Step::kGiveUp, {}, Code::kUnavailable},
      {"503 told", status(503, seconds(20)), 1, Step::kRetry, seconds(20), Code::kUnavailable},
      {"429 told", status(429, seconds(56)), 1, Step::kRetry, seconds(56), Code::kRateLimited},
      {"429 told zero", status(429, seconds(0)), 1, Step::kRetry, seconds(1), Code::kRateLimited},
      {"429 too long", status(429, seconds(901)), 1, Step::kGiveUp, {}, Code::kRateLimited},
      {"429 untold", status(429), 2, Step::kRetry, seconds(2), Code::kRateLimited},
      {"429 last", status(429, seconds(1)), 5, Step::kGiveUp, {}, Code::kRateLimited},
      {"408", status(408), 1, Step::kRetry, seconds(1), Code::kUnavailable},
      {"reset", ended(TransferEnd::kReset), 1, Step::kRetry, seconds(1), Code::kUnavailable},
      {"stall", ended(TransferEnd::kStalled), 2, Step::kRetry, seconds(2), Code::kUnavailable},
      {"tls", ended(TransferEnd::kTls), 1, Step::kGiveUp, {}, Code::kUnavailable},
      {"proxy 407", ended(TransferEnd::kProxyRefused), 1, Step::kGiveUp, {}, Code::kUnauthorized},
      {"private", ended(TransferEnd::kForbidden), 1, Step::kGiveUp, {}, Code::kUnavailable},
      {"dns", ended(TransferEnd::kDns), 2, Step::kRetry, seconds(2), Code::kUnavailable},
      {"dns third", ended(TransferEnd::kDns), 3, Step::kGiveUp, {}, Code::kUnavailable},
      {"cancel", ended(TransferEnd::kAborted), 1, Step::kGiveUp, {}, Code::kCancelled},
  };
  for (const Row& row : rows) {
    const Decision decision = after_failed_request(row.outcome, row.failures, 5, minutes(15), 1.0);
    EXPECT_EQ(decision.step, row.step) << row.what;
    EXPECT_EQ(decision.wait, row.wait) << row.what;
    EXPECT_EQ(decision.code, row.code) << row.what;
  }
}

TEST(FailedRequest, KeepAliveRaceIsFreeOnce) {
  Outcome race = ended(TransferEnd::kReset);
  race.reused_connection = true;
  EXPECT_EQ(after_failed_request(race, 1, 5, minutes(15), 1.0).wait, seconds(0));
  EXPECT_EQ(after_failed_request(race, 2, 5, minutes(15), 1.0).wait, seconds(2));
  race.status = 200;
  EXPECT_EQ(after_failed_request(race, 1, 5, minutes(15), 1.0).wait, seconds(1));
}

// What each fault leads to when it comes again and again without a byte in between.
TEST(FailedTransfer, EveryPersistentFaultEndsAsTheCatalogueSays) {
  struct Row {
    const char* what;
    Outcome outcome;
    std::vector<Step> steps;
    Code code;
  };
  const std::vector<Row> rows = {
      {"401", status(401), {Step::kResolve, Step::kGiveUp}, Code::kUnauthorized},
      {"403",
       status(403),
       {Step::kResolve, Step::kResolve, Step::kResolve, Step::kGiveUp},
       Code::kUnauthorized},
      {"410", status(410), {Step::kGiveUp}, Code::kNotFound},
      {"404", status(404), {Step::kResolve, Step::kGiveUp}, Code::kNotFound},
      {"416", status(416), {Step::kResolve, Step::kGiveUp}, Code::kDigestMismatch},
      {"451", status(451), {Step::kGiveUp}, Code::kUnauthorized},
      {"400", status(400), {Step::kGiveUp}, Code::kUnavailable},
      {"204", status(204), {Step::kGiveUp}, Code::kUnavailable},
      {"429 for an hour", status(429, std::chrono::hours(1)), {Step::kGiveUp}, Code::kRateLimited},
      {"tls", ended(TransferEnd::kTls), {Step::kGiveUp}, Code::kUnavailable},
      {"two lengths", ended(TransferEnd::kAmbiguous), {Step::kGiveUp}, Code::kUnavailable},
      {"proxy", ended(TransferEnd::kProxyRefused), {Step::kGiveUp}, Code::kUnauthorized},
      {"dns",
       ended(TransferEnd::kDns),
       {Step::kRetry, Step::kRetry, Step::kGiveUp},
       Code::kUnavailable},
  };
  for (const Row& row : rows) {
    TransferHistory history;
    Decision decision;
    for (std::size_t i = 0; i < row.steps.size(); ++i) {
      decision = after_failed_transfer(row.outcome, history, minutes(15), 1.0);
      EXPECT_EQ(decision.step, row.steps[i]) << row.what << " time " << i + 1;
    }
    EXPECT_EQ(decision.code, row.code) << row.what;
  }
}

TEST(AskingAfterRefusal, ASmallerRangeAndThenTheWhole) {
  struct Row {
    Asking before;
    int refusals;
    Refusal refusal;
    Asking after;
  };
  constexpr Refusal kPlain = Refusal::kPlain;
  constexpr Refusal kOfTheRange = Refusal::kOfTheRange;
  for (const Row& row :
       std::vector<Row>{{Asking::kRanges, 1, kPlain, Asking::kRanges},  // a new address may do
                        {Asking::kRanges, 2, kPlain, Asking::kSmallRanges},
                        {Asking::kSmallRanges, 3, kPlain, Asking::kWhole},
                        {Asking::kRanges, 1, kOfTheRange, Asking::kSmallRanges},
                        {Asking::kSmallRanges, 2, kOfTheRange, Asking::kWhole},
                        // Bytes came in small ranges, and later an address expired.
                        {Asking::kSmallRanges, 1, kPlain, Asking::kSmallRanges},
                        {Asking::kSmallRanges, 1, kOfTheRange, Asking::kWhole},
                        {Asking::kWhole, 1, kOfTheRange, Asking::kWhole}}) {
    EXPECT_EQ(asking_after_refusal(row.before, row.refusals, row.refusal), row.after)
        << static_cast<int>(row.before) << " " << row.refusals;
  }
}

TEST(PushesBack, WhenTheOriginTakesNoMore) {
  EXPECT_TRUE(pushes_back(status(429)));
  EXPECT_TRUE(pushes_back(status(503)));
  EXPECT_FALSE(pushes_back(status(500)));
  EXPECT_FALSE(pushes_back(status(403)));
  EXPECT_TRUE(pushes_back(ended(TransferEnd::kConnect)));
  EXPECT_TRUE(pushes_back(ended(TransferEnd::kReset)));  // accepted, and closed at once
  Outcome race = ended(TransferEnd::kReset);
  race.reused_connection = true;
  EXPECT_FALSE(pushes_back(race));
  EXPECT_FALSE(pushes_back(ended(TransferEnd::kStalled)));
  EXPECT_FALSE(pushes_back(ended(TransferEnd::kDns)));
}

TEST(FailedTransfer, TemporaryFaultsAreRetriedForAsLongAsTheCallerLikes) {
  for (const Outcome& outcome :
       {ended(TransferEnd::kReset), ended(TransferEnd::kStalled), ended(TransferEnd::kConnect),
        status(500), status(502), status(503), status(504), status(408), status(429)}) {
    TransferHistory history;
    for (int i = 1; i <= 50; ++i) {
      const Decision decision = after_failed_transfer(outcome, history, minutes(15), 1.0);
      ASSERT_EQ(decision.step, Step::kRetry);
      EXPECT_EQ(decision.wait, backoff(i, 1.0));
    }
  }
}

TEST(FailedTransfer, BytesBeforeACutAreProgress) {
  Outcome cut = ended(TransferEnd::kReset);
  cut.status = 206;
  cut.bytes_arrived = true;
  TransferHistory history;
  EXPECT_EQ(after_failed_transfer(cut, history, minutes(15), 1.0).wait, seconds(0));
  EXPECT_EQ(history.failures, 0);
}

TEST(WrongAnswers, EndTheSecondTime) {
  TransferHistory history;
  EXPECT_EQ(after_wrong_answer(history, 1.0).step, Step::kResolve);
  EXPECT_EQ(after_wrong_answer(history, 1.0).code, Code::kUnavailable);
  EXPECT_EQ(after_wrong_size(history, 1.0).step, Step::kResolve);
  const Decision last = after_wrong_size(history, 1.0);
  EXPECT_EQ(last.step, Step::kGiveUp);
  EXPECT_EQ(last.code, Code::kDigestMismatch);
}

TEST(Hints, NameTheClockForTlsAndTheVariableForAProxy) {
  const auto now = base::Clock::Wall(seconds(1'000'000'000));
  EXPECT_NE(hint_for(ended(TransferEnd::kTls), now).find("2001-09-09T01:46:40Z"),
            std::string::npos);
  EXPECT_NE(hint_for(ended(TransferEnd::kProxyRefused), now).find("password"), std::string::npos);
  EXPECT_NE(hint_for(status(429), now), "");
  EXPECT_EQ(hint_for(status(404), now), "");
}

TEST(FinalStatus, ServerErrorsAndRateLimitsAreNot) {
  for (const int code : {200, 204, 206, 301, 400, 401, 403, 404, 416, 451}) {
    EXPECT_TRUE(is_final_status(code)) << code;
  }
  for (const int code : {408, 429, 500, 502, 503, 504}) EXPECT_FALSE(is_final_status(code)) << code;
}

}  // namespace
}  // namespace castool::fetch
