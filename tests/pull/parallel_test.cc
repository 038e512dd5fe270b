#include "pull/parallel.h"

#include <atomic>
#include <latch>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using base::Code;

TEST(RunParallel, RunsEveryTaskOnce) {
  std::vector<std::atomic<int>> runs(100);
  const auto status = run_parallel(runs.size(), 7,
                                   [&](std::size_t i, const std::stop_token&) {
                                     runs[i]++;
                                     return base::ok();
                                   },
                                   {});
  EXPECT_TRUE(status);
  for (const auto& count : runs) EXPECT_EQ(count, 1);
}

TEST(RunParallel, RunsGroupsBesideEachOther) {
  // Each group waits for the other: one after the other would never end.
  std::latch together(2);
  const auto meet = [&](std::size_t, const std::stop_token&) {
    together.arrive_and_wait();
    return base::ok();
  };
  const TaskGroup groups[] = {{1, 4, meet}, {0, 4, meet}, {1, 4, meet}};
  EXPECT_TRUE(run_parallel(groups, {}));
}

TEST(RunParallel, AFailureStopsTheOtherGroups) {
  const TaskGroup groups[] = {{1, 1,
                               [](std::size_t, const std::stop_token&) -> base::Status {
                                 return base::make_error(Code::kNotFound, "gone");
                               }},
                              {1, 1, [](std::size_t, const std::stop_token& stop) {
                                 while (!stop.stop_requested()) std::this_thread::yield();
                                 return base::ok();
                               }}};
  const auto status = run_parallel(groups, {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kNotFound);
}

TEST(RunParallel, RunsThatManyAtOnce) {
  // Each task waits for all the others: fewer threads would never end.
  std::latch together(4);
  EXPECT_TRUE(run_parallel(4, 4,
                           [&](std::size_t, const std::stop_token&) {
                             together.arrive_and_wait();
                             return base::ok();
                           },
                           {}));
}

TEST(RunParallel, GivesTheFirstErrorAndStopsTheOthers) {
  std::atomic<int> started{0};
  const auto status = run_parallel(1000, 2,
                                   [&](std::size_t, std::stop_token stop) -> base::Status {
                                     if (started++ == 0)
                                       return base::make_error(Code::kNotFound, "first");
                                     while (!stop.stop_requested()) std::this_thread::yield();
                                     return base::make_error(Code::kCancelled, "stopped");
                                   },
                                   {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kNotFound);
  EXPECT_LE(started, 3);
}

TEST(RunParallel, EndsWhenStopped) {
  std::stop_source source;
  const auto status = run_parallel(
      1000, 2,
      [&](std::size_t, std::stop_token stop) {
        // Whoever comes second may go on before the first has passed it on.
        const bool first = source.request_stop();
        EXPECT_TRUE(stop.stop_requested() || !first);
        return base::ok();
      },
      source.get_token());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kCancelled);
}

TEST(RunParallel, OfNothingIsDone) {
  const auto never = [](std::size_t, const std::stop_token&) -> base::Status {
    return base::make_error(Code::kInternal, "ran");
  };
  EXPECT_TRUE(run_parallel(0, 4, never, {}));
}

}  // namespace
}  // namespace castool::pull
