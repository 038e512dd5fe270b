#include "pull/read_waiters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using base::ByteRange;
using testing::ElementsAre;

TEST(ReadWaiters, WhoCameLaterGoesOnWaiting) {
  ReadWaiters waiters;
  std::vector<int> told;
  const auto done = [&told](int who) {
    return [&told, who](base::Status) { told.push_back(who); };
  };
  static_cast<void>(waiters.add_read({0, 10}, done(1)));
  static_cast<void>(waiters.add_listener(done(2)));
  const auto newest = waiters.newest();
  static_cast<void>(waiters.add_read({0, 10}, done(3)));
  static_cast<void>(waiters.add_read({20, 10}, done(4)));
  for (const auto& taken : waiters.take_reads_until(newest)) taken(base::ok());
  EXPECT_THAT(told, ElementsAre(1));
  EXPECT_EQ(waiters.read_count(), 2);
  EXPECT_THAT(waiters.demanded(), ElementsAre(ByteRange{0, 10}, ByteRange{20, 10}));
}

}  // namespace
}  // namespace castool::pull
