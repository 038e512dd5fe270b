#include "fusefs/side_threads.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

namespace castool::fusefs {
namespace {

TEST(SideThreads, RunsAsManyAtOnceAsAllowedAndAllInTheEnd) {
  SideThreads side(3);
  std::promise<void> go;
  const auto gone = go.get_future().share();
  std::atomic<int> begun{0};
  std::atomic<int> done{0};
  std::promise<void> three;
  for (int i = 0; i < 20; ++i) {
    side.post([&] {
      if (++begun == 3) three.set_value();
      gone.wait();
      ++done;
    });
  }
  three.get_future().wait();
  EXPECT_EQ(begun, 3);
  go.set_value();
  side.stop();
  EXPECT_EQ(done, 20);
  side.post([&] { ++done; });
  EXPECT_EQ(done, 21) << "in place once it is stopped";
}

}  // namespace
}  // namespace castool::fusefs
