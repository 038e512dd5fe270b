#include "cas/background_sync.h"

#include <gtest/gtest.h>

namespace castool::cas {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// Counts calls and lets a test wait for them.
class Calls {
 public:
  void add() {
    const base::MutexLock lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  // How many there are when `wanted` have come, or after `longest`.
  int wait_for(int wanted, milliseconds longest) {
    const base::MutexLock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + longest;
    while (count_ < wanted && changed_.wait_until(mutex_, deadline)) {
    }
    return count_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  int count_ CASTOOL_GUARDED_BY(mutex_) = 0;
};

TEST(BackgroundSync, ComesAfterSoManyBytes) {
  Calls calls;
  BackgroundSync sync([&] { calls.add(); }, {.every_bytes = 100, .every = hours(1)});
  ASSERT_TRUE(sync.start());
  sync.wrote(99);
  EXPECT_EQ(calls.wait_for(1, milliseconds(50)), 0);
  sync.wrote(1);
  EXPECT_EQ(calls.wait_for(1, milliseconds(20'000)), 1);
  sync.wrote(99);
  EXPECT_EQ(calls.wait_for(2, milliseconds(50)), 1);
}

TEST(BackgroundSync, ComesSoLongAfterTheFirstByte) {
  Calls calls;
  BackgroundSync sync([&] { calls.add(); }, {.every_bytes = 1 << 30, .every = milliseconds(100)});
  ASSERT_TRUE(sync.start());
  EXPECT_EQ(calls.wait_for(1, milliseconds(200)), 0);
  const auto began = std::chrono::steady_clock::now();
  sync.wrote(1);
  EXPECT_EQ(calls.wait_for(1, milliseconds(20'000)), 1);
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(100));
  // And not again without another byte.
  EXPECT_EQ(calls.wait_for(2, milliseconds(250)), 1);
  sync.wrote(1);
  EXPECT_EQ(calls.wait_for(2, milliseconds(20'000)), 2);
}

TEST(BackgroundSync, KnowsWhatWasWrittenBeforeTheStart) {
  Calls calls;
  BackgroundSync sync([&] { calls.add(); }, {.every_bytes = 100, .every = hours(1)});
  sync.wrote(100);
  EXPECT_EQ(calls.wait_for(1, milliseconds(50)), 0);
  ASSERT_TRUE(sync.start());
  EXPECT_EQ(calls.wait_for(1, milliseconds(20'000)), 1);
}

TEST(BackgroundSync, StopsWithoutALastCall) {
  Calls calls;
  BackgroundSync sync([&] { calls.add(); }, {.every_bytes = 100, .every = hours(1)});
  ASSERT_TRUE(sync.start());
  sync.wrote(50);
  sync.stop();
  sync.wrote(50);
  EXPECT_EQ(calls.wait_for(1, milliseconds(50)), 0);
}

}  // namespace
}  // namespace castool::cas
