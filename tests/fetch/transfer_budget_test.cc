// The slots and bytes that all transfers share.
#include "fetch/transfer_budget.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace castool::fetch {
namespace {

using base::Clock;
using std::chrono::milliseconds;
using Party = TransferBudget::Party;

TEST(TransferBudget, SharesTheSlotsOfOneClass) {
  testing::FakeClock clock;
  TransferBudget budget(4, 0, clock);
  Party first(Priority::kBackground), second(Priority::kBackground);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(budget.try_acquire(first));
  EXPECT_FALSE(budget.try_acquire(second));
  budget.release(first);
  EXPECT_FALSE(budget.try_acquire(first));  // three are more than half of four
  EXPECT_TRUE(budget.try_acquire(second));
  budget.release(first);
  EXPECT_TRUE(budget.try_acquire(second));
  EXPECT_FALSE(budget.try_acquire(second));
  budget.withdraw(first);
  budget.withdraw(second);
  for (int i = 0; i < 2; ++i) budget.release(first);
  // Nobody else waits.
  EXPECT_TRUE(budget.try_acquire(second));
  EXPECT_TRUE(budget.try_acquire(second));
  for (int i = 0; i < 4; ++i) budget.release(second);
}

TEST(TransferBudget, GivesDemandASlotAtOnceAndThenTheNextOnes) {
  testing::FakeClock clock;
  TransferBudget budget(2, 0, clock);
  Party bulk(Priority::kBackground), reader(Priority::kDemand), other(Priority::kDemand);
  EXPECT_TRUE(budget.try_acquire(bulk));
  EXPECT_TRUE(budget.try_acquire(bulk));
  EXPECT_TRUE(budget.try_acquire(reader));
  EXPECT_FALSE(budget.try_acquire(other));
  budget.release(bulk);
  EXPECT_FALSE(budget.try_acquire(bulk));
  EXPECT_FALSE(budget.try_acquire(other));  // two are held, and demand has one of them
  budget.release(bulk);
  EXPECT_FALSE(budget.try_acquire(bulk));
  EXPECT_TRUE(budget.try_acquire(other));
  budget.release(reader);
  budget.release(other);
  EXPECT_TRUE(budget.try_acquire(bulk));
  budget.release(bulk);
}

TEST(TransferBudget, WaitersGetWhatIsReleased) {
  base::SystemClock clock;
  TransferBudget budget(3, 0, clock);
  std::atomic<int> inside{0}, most{0}, done{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 20; ++i) {
      threads.emplace_back([&, priority = static_cast<Priority>(i % 3)] {
        for (int round = 0; round < 20; ++round) {
          const HeldSlot slot(budget, priority, {});
          const int now = ++inside;
          int seen = most.load();
          while (seen < now && !most.compare_exchange_weak(seen, now)) {
          }
          std::this_thread::yield();
          --inside;
          done += slot.grant() ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(done, 400);
  EXPECT_GE(most, 2);
  EXPECT_LE(most, 4);  // three, and one for demand
}

TEST(TransferBudget, AStopEndsTheWait) {
  base::SystemClock clock;
  TransferBudget budget(1, 0, clock);
  const HeldSlot held(budget, Priority::kBackground, {});
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  const HeldSlot none(budget, Priority::kBackground, stop.get_token());
  EXPECT_FALSE(none.grant());
}

TEST(TransferBudget, RequestsThatWereUnderWayTogetherPushBackOnce) {
  testing::FakeClock clock;
  TransferBudget budget(8, 0, clock);
  Party party(Priority::kBackground);
  std::vector<TransferBudget::Grant> grants;
  for (int i = 0; i < 8; ++i) grants.push_back(budget.try_acquire(party).value());
  for (const auto grant : grants) budget.push_back(grant);
  EXPECT_EQ(budget.connections(), 4);
  for (int i = 0; i < 8; ++i) budget.release(party);
  const auto later = budget.try_acquire(party).value();
  budget.push_back(grants.back());
  EXPECT_EQ(budget.connections(), 4);
  budget.push_back(later);
  EXPECT_EQ(budget.connections(), 2);
  budget.release(party);
}

TEST(TransferBudget, GrowsWhileBytesComeFaster) {
  testing::FakeClock clock;
  TransferBudget budget(16, 0, clock);
  Party party(Priority::kBackground);
  std::uint64_t rate = 1000;
  int held = 0;
  for (int i = 0; i < 10; ++i) {
    while (budget.try_acquire(party)) ++held;
    clock.advance(milliseconds(500));
    EXPECT_EQ(budget.take_tokens(rate, Priority::kBackground), Clock::Duration(0));
    rate *= 2;
  }
  EXPECT_EQ(held, 16);
  for (; held > 0; --held) budget.release(party);
}

// Two takers at one rate for ten seconds, by the fake clock: what each got.
TEST(TransferBudget, KeepsTheRateAndServesDemandFirst) {
  testing::FakeClock clock;
  TransferBudget budget(8, 1'000'000, clock);
  const Clock::Monotonic end = clock.now() + std::chrono::seconds(10);
  struct Taker {
    Priority priority;
    std::uint64_t got = 0;
    Clock::Monotonic next = Clock::Monotonic::min();
  };
  Taker takers[] = {{Priority::kBackground}, {Priority::kDemand}};
  while (clock.now() < end) {
    for (Taker& taker : takers) {
      if (taker.next > clock.now()) continue;
      const auto wait = budget.take_tokens(16'384, taker.priority);
      if (wait == Clock::Duration(0)) taker.got += 16'384;
      taker.next = clock.now() + wait;
    }
    clock.advance(milliseconds(1));
  }
  EXPECT_NEAR(static_cast<double>(takers[0].got + takers[1].got), 10e6, 0.5e6);
  EXPECT_GT(takers[1].got, 9 * takers[0].got);
  // Without demand, all of it is there for the others.
  clock.advance(std::chrono::seconds(1));
  takers[0].got = 0;
  const Clock::Monotonic later = clock.now() + std::chrono::seconds(10);
  while (clock.now() < later) {
    const auto wait = budget.take_tokens(16'384, Priority::kBackground);
    if (wait == Clock::Duration(0)) takers[0].got += 16'384;
    clock.advance(wait);
  }
  EXPECT_NEAR(static_cast<double>(takers[0].got), 10e6, 0.5e6);
}

}  // namespace
}  // namespace castool::fetch
