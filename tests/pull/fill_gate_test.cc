#include "pull/fill_gate.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace castool::pull {
namespace {

TEST(FillGate, IsOpenUnlessSomebodyWaitsOrJustDid) {
  castool::testing::FakeClock clock;
  clock.advance(std::chrono::hours(1));
  FillGate gate(clock);
  EXPECT_TRUE(gate.open());
  gate.begin_waiting();
  gate.begin_waiting();
  EXPECT_FALSE(gate.open());
  gate.end_waiting(1);
  clock.advance(FillGate::kPause);
  EXPECT_FALSE(gate.open());
  gate.end_waiting(1);
  EXPECT_FALSE(gate.open());
  clock.advance(FillGate::kPause);
  EXPECT_TRUE(gate.open());
}

TEST(FillGate, DoesNotWaitForAStalledOriginsReaders) {
  castool::testing::FakeClock clock;
  clock.advance(std::chrono::hours(1));
  FillGate gate(clock);
  gate.begin_waiting();
  clock.advance(FillGate::kPatience);
  EXPECT_TRUE(gate.open());
  // Others that come and go hold it back all the same.
  gate.begin_waiting();
  EXPECT_FALSE(gate.open());
  gate.end_waiting(0);
  clock.advance(FillGate::kPatience);
  EXPECT_TRUE(gate.open());
}

}  // namespace
}  // namespace castool::pull
