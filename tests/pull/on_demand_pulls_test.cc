#include "pull/on_demand_pulls.h"

#include <atomic>
#include <future>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/pull/manual_clock.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Status;

manifest::Source model(const std::string& name) {
  return manifest::HubSource{"acme/" + name, "main"};
}

// Asks and waits; what it was told.
std::optional<Code> ask(OnDemandPulls& pulls, const std::string& name) {
  std::promise<std::optional<Code>> told;
  pulls.find(model(name), [&told](const Status& status) {
    told.set_value(status ? std::nullopt : std::optional(status.error().code));
  });
  auto answer = told.get_future();
  EXPECT_EQ(answer.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  return answer.get();
}

TEST(OnDemandPulls, PullsOnceForAllWhoAskMeanwhile) {
  ManualClock clock;
  std::promise<void> let_go;
  const std::shared_future<void> gate = let_go.get_future();
  std::atomic<int> pulled{0}, told{0};
  std::promise<void> all_told;
  OnDemandPulls pulls(
      [&](const manifest::Source&, const std::stop_token&) {
        ++pulled;
        gate.wait();
        return base::ok();
      },
      clock);
  constexpr int kAskers = 100;
  for (int i = 0; i < kAskers; ++i) {
    pulls.find(model("m"), [&](const Status& status) {
      EXPECT_TRUE(status);
      if (++told == kAskers) all_told.set_value();
    });
  }
  EXPECT_EQ(told, 0);
  let_go.set_value();
  ASSERT_EQ(all_told.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(pulled, 1);
  EXPECT_EQ(ask(pulls, "m"), std::nullopt);  // whoever asks again asks for a reason
  EXPECT_EQ(pulled, 2);
}

TEST(OnDemandPulls, RemembersAnAnswerForAMinuteAndAnOutageNotAtAll) {
  ManualClock clock;
  std::atomic<int> pulled{0};
  std::atomic<Code> says{Code::kNotFound};
  OnDemandPulls pulls(
      [&](const manifest::Source&, const std::stop_token&) -> Status {
        ++pulled;
        return base::make_error(says, "no");
      },
      clock);
  EXPECT_EQ(ask(pulls, "m"), Code::kNotFound);
  EXPECT_EQ(ask(pulls, "m"), Code::kNotFound);
  EXPECT_EQ(pulled, 1);
  EXPECT_EQ(ask(pulls, "other"), Code::kNotFound);
  EXPECT_EQ(pulled, 2);
  clock.advance(OnDemandPulls::kMissMemory);
  says = Code::kUnavailable;
  EXPECT_EQ(ask(pulls, "m"), Code::kUnavailable);
  EXPECT_EQ(ask(pulls, "m"), Code::kUnavailable);
  EXPECT_EQ(pulled, 4);
}

TEST(OnDemandPulls, SeveralAtOnceAndTheRestInTurn) {
  ManualClock clock;
  std::promise<void> let_go;
  const std::shared_future<void> gate = let_go.get_future();
  std::atomic<int> running{0}, told{0};
  std::promise<void> all_told, all_run;
  OnDemandPulls pulls(
      [&](const manifest::Source&, const std::stop_token&) {
        if (++running == static_cast<int>(OnDemandPulls::kWorkers)) all_run.set_value();
        gate.wait();
        return base::ok();
      },
      clock);
  constexpr int kModels = 12;
  for (int i = 0; i < kModels; ++i) {
    pulls.find(model("m" + std::to_string(i)), [&](const Status&) {
      if (++told == kModels) all_told.set_value();
    });
  }
  ASSERT_EQ(all_run.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(running, static_cast<int>(OnDemandPulls::kWorkers));
  let_go.set_value();
  ASSERT_EQ(all_told.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(running, kModels);
}

TEST(OnDemandPulls, EndsWhatRunsAndTellsWhoWaits) {
  ManualClock clock;
  std::promise<void> begun;
  std::atomic<int> cancelled{0};
  {
    OnDemandPulls pulls(
        [&](const manifest::Source&, const std::stop_token& stop) -> Status {
          begun.set_value();
          std::promise<void> stopped;
          const std::stop_callback tell(stop, [&stopped] { stopped.set_value(); });
          stopped.get_future().wait();
          return base::make_error(Code::kCancelled, "stopped");
        },
        clock);
    const auto count = [&](const Status& status) {
      if (!status && status.error().code == Code::kCancelled) ++cancelled;
    };
    pulls.find(model("m"), count);
    ASSERT_EQ(begun.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
    pulls.find(model("m"), count);
  }
  EXPECT_EQ(cancelled, 2);
}

}  // namespace
}  // namespace castool::pull
