// Addresses where nobody answers (row 47).
#include "fetch/dead_addresses.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace castool::fetch {
namespace {

constexpr int kV4 = 4;
constexpr int kV6 = 6;
using Texts = std::vector<std::string>;

TEST(DeadAddresses, AreThoseThatAnAttemptWaitedFor) {
  struct Row {
    const char* what;
    std::vector<PeerAddress> tried;
    ConnectOutcome outcome;
    PeerAddress connected;
    Texts dead;
  };
  for (const Row& row : std::vector<Row>{
           {"the first answers", {{kV4, "a"}}, ConnectOutcome::kConnected, {kV4, "a"}, {}},
           {"the third answers",
            {{kV4, "a"}, {kV4, "b"}, {kV4, "c"}},
            ConnectOutcome::kConnected,
            {kV4, "c"},
            {"a", "b"}},
           {"the other family was slower, no more",
            {{kV6, "x"}, {kV4, "a"}},
            ConnectOutcome::kConnected,
            {kV4, "a"},
            {}},
           {"a connection that was there",
            {{kV4, "a"}},
            ConnectOutcome::kConnected,
            {kV4, "b"},
            {}},
           {"nobody: who came later may have had no time",
            {{kV6, "x"}, {kV4, "a"}, {kV6, "y"}, {kV4, "b"}},
            ConnectOutcome::kTimedOut,
            {},
            {"x", "a"}},
           {"refused", {{kV4, "a"}}, ConnectOutcome::kOther, {}, {}}}) {
    EXPECT_EQ(unanswered(row.tried, row.outcome, row.connected), row.dead) << row.what;
  }
}

TEST(DeadAddresses, AreRememberedForAMinute) {
  testing::FakeClock clock;
  DeadAddresses dead(clock);
  dead.add("a");
  clock.advance(std::chrono::seconds(30));
  dead.add("b");
  EXPECT_TRUE(dead.contains("a"));
  EXPECT_FALSE(dead.contains("c"));
  clock.advance(std::chrono::seconds(30));
  EXPECT_FALSE(dead.contains("a"));
  EXPECT_TRUE(dead.contains("b"));
  dead.forget("b");
  EXPECT_FALSE(dead.contains("b"));
}

}  // namespace
}  // namespace castool::fetch
