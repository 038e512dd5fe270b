#include "api/pull_hub.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include <gmock/gmock.h>

namespace castool::api {
namespace {

using base::Result;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Pulls that last until the test says so, or until they are stopped.
class FakePulls {
 public:
  Result<pull::PullOutcome> run(pull::PullEvents& events, const std::stop_token& stop) {
    events.on_status("pulling manifest");
    ++begun;
    std::unique_lock lock(mutex_);
    while (!finish_ && !stop.stop_requested()) {
      changed_.wait_for(lock, std::chrono::milliseconds(5));
    }
    if (stop.stop_requested()) return base::make_error(base::Code::kCancelled, "stopped");
    return pull::PullOutcome();
  }
  void finish() {
    const std::lock_guard lock(mutex_);
    finish_ = true;
    changed_.notify_all();
  }
  PullHub::Pull function() {
    return [this](const pull::PullRequest&, pull::PullEvents& events, const std::stop_token& stop) {
      return run(events, stop);
    };
  }

  std::atomic<int> begun = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool finish_ = false;
};

bool ends_soon(PullWatcher& watcher) {
  return watcher.pull().wait_ended(steady_clock::now() + seconds(60));
}

void nothing(const Result<pull::PullOutcome>&) {}

TEST(PullHub, PullsOnceForAllWhoAsk) {
  FakePulls pulls;
  PullHub hub(pulls.function(), nothing);
  auto first = hub.join("m", {});
  auto second = hub.join("m", {});
  auto other = hub.join("n", {});
  ASSERT_TRUE(first && second && other);
  EXPECT_EQ(&(*first)->pull(), &(*second)->pull());
  EXPECT_EQ(hub.running(), 2U);
  second->reset();  // the first still waits
  EXPECT_FALSE((*first)->pull().stop.stop_requested());
  pulls.finish();
  ASSERT_TRUE(ends_soon(**first) && ends_soon(**other));
  EXPECT_EQ(pulls.begun, 2);
  EXPECT_EQ((*first)->news(steady_clock::now()).events.back().label, "success");
  EXPECT_EQ(hub.running(), 0U);
}

TEST(PullHub, StopsWhatNobodyWaitsForAndBeginsAnew) {
  FakePulls pulls;
  PullHub hub(pulls.function(), nothing);
  auto first = hub.join("m", {});
  ASSERT_TRUE(first);
  const std::stop_token old = (*first)->pull().stop.get_token();
  first->reset();
  EXPECT_TRUE(old.stop_requested());
  auto again = hub.join("m", {});
  ASSERT_TRUE(again);
  EXPECT_FALSE((*again)->pull().stop.stop_requested());
  pulls.finish();
  ASSERT_TRUE(ends_soon(**again));
  const auto end = (*again)->pull().end();
  EXPECT_TRUE(end && !end->error);
}

TEST(PullHub, EndsEverythingWhenItStops) {
  FakePulls pulls;
  std::unique_ptr<PullWatcher> left;
  {
    PullHub hub(pulls.function(), nothing);
    auto watcher = hub.join("m", {});
    ASSERT_TRUE(watcher);
    left = *std::move(watcher);
    hub.stop();
    ASSERT_TRUE(ends_soon(*left));
    EXPECT_FALSE(hub.join("m", {}));
  }
  const auto end = left->pull().end();
  ASSERT_TRUE(end && end->error);
  EXPECT_EQ(end->error->code, base::Code::kCancelled);
}

TEST(PullHub, IsBounded) {
  FakePulls pulls;
  PullHub hub(pulls.function(), nothing);
  std::vector<std::unique_ptr<PullWatcher>> watchers;
  for (std::size_t i = 0; i < PullHub::kMostPulls; ++i) {
    auto watcher = hub.join(std::to_string(i), {});
    ASSERT_TRUE(watcher);
    watchers.push_back(*std::move(watcher));
  }
  const auto more = hub.join("more", {});
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, base::Code::kBusy);
  while (watchers.size() < PullHub::kMostWatchers) watchers.push_back(*hub.join("0", {}));
  EXPECT_FALSE(hub.join("0", {}));
  watchers.pop_back();
  EXPECT_TRUE(hub.join("0", {}));
  pulls.finish();
}

TEST(RunningPull, TellsWhatIsNewInOrder) {
  RunningPull pull;
  std::uint64_t heard = 0;
  const auto now = [&] { return pull.news(heard, steady_clock::now()).events; };
  pull.on_status("pulling manifest");
  EXPECT_FALSE(pull.wait_resolved(steady_clock::now()));
  pull.on_progress("a", "sha256:a", 10, 0);
  EXPECT_TRUE(pull.wait_resolved(steady_clock::now()));
  pull.on_progress("b", "sha256:b", 10, 3);
  const PullEvent manifest = {"pulling manifest", "", 0, 0};
  const PullEvent a0 = {"a", "sha256:a", 10, 0}, b3 = {"b", "sha256:b", 10, 3};
  EXPECT_THAT(now(), testing::ElementsAre(manifest, a0, b3));
  EXPECT_THAT(now(), testing::ElementsAre(b3));  // under way, and told again
  pull.on_progress("b", "sha256:b", 10, 2);      // never goes back
  EXPECT_THAT(now(), testing::ElementsAre(b3));
  pull.on_progress("b", "sha256:b", 10, 99);  // never beyond
  pull.on_status("verifying");
  const PullEvent b10 = {"b", "sha256:b", 10, 10}, verifying = {"verifying", "", 0, 0};
  EXPECT_THAT(now(), testing::ElementsAre(b10, verifying));
  EXPECT_THAT(now(), testing::IsEmpty());
  std::uint64_t late = 0;
  EXPECT_THAT(pull.news(late, steady_clock::now()).events,
              testing::ElementsAre(manifest, a0, b10, verifying));
  pull.finish({base::make_error(base::Code::kIo, "x"), std::nullopt});
  EXPECT_TRUE(pull.news(heard, steady_clock::now()).end->error.has_value());
}

}  // namespace
}  // namespace castool::api
