// Connections that hardly move (row 16).
#include "fetch/laggard.h"

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

TEST(Laggard, IsHeldAgainstItsPeersOnly) {
  struct Row {
    const char* what;
    double rate;
    std::vector<double> peers;
    bool laggard;
  };
  for (const Row& row :
       std::vector<Row>{{"the only link", 1, {}, false},
                        {"a trickle beside one", 1, {1e6}, true},
                        {"nothing at all", 0, {1e6, 2e6, 3e6}, true},
                        {"as slow as all", 1, {1, 1, 1}, false},
                        {"a third", 33, {100, 100, 100}, false},
                        {"a tenth", 10, {100, 100, 100}, true},
                        {"just above", 10.1, {100, 100, 100}, false},
                        {"one fast peer proves nothing", 10, {1000, 12, 11}, false},
                        {"most peers are slow too", 10, {1000, 1000, 12, 11}, false},
                        {"nobody moves", 0, {0, 0}, false}}) {
    EXPECT_EQ(is_laggard(row.rate, row.peers), row.laggard) << row.what;
  }
}

TEST(RecentRates, KeepsTheLastOnes) {
  RecentRates rates;
  for (int i = 0; i < 100; ++i) rates.add(i);
  ASSERT_EQ(rates.all().size(), RecentRates::kMost);
  EXPECT_EQ(rates.all().back(), 99);
}

}  // namespace
}  // namespace castool::fetch
