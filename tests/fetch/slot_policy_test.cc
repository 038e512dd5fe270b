// Who gets the next connection.
#include "fetch/slot_policy.h"

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

constexpr Priority kDemand = Priority::kDemand;
constexpr Priority kPrefetch = Priority::kPrefetch;
constexpr Priority kBackground = Priority::kBackground;

struct Row {
  const char* what;
  SlotUse use;  // limit, then {active, engaged, waiting} of demand, prefetch, background
  Priority priority;
  int held;
  bool granted;
};

TEST(SlotPolicy, Table) {
  const Row rows[] = {
      {"all alone", {4, {{{0, 0, 0}, {0, 0, 0}, {0, 1, 0}}}}, kBackground, 0, true},
      {"alone it takes all", {4, {{{0, 0, 0}, {0, 0, 0}, {3, 1, 0}}}}, kBackground, 3, true},
      {"never beyond the limit", {4, {{{0, 0, 0}, {0, 0, 0}, {4, 1, 0}}}}, kBackground, 4, false},
      {"prefetch neither", {4, {{{0, 0, 0}, {0, 1, 0}, {4, 1, 0}}}}, kPrefetch, 0, false},
      {"demand once", {4, {{{0, 1, 0}, {0, 0, 0}, {4, 1, 0}}}}, kDemand, 0, true},
      {"demand not twice", {4, {{{1, 2, 0}, {0, 0, 0}, {4, 1, 0}}}}, kDemand, 0, false},
      {"nor on top of itself", {4, {{{4, 2, 0}, {0, 0, 0}, {0, 0, 0}}}}, kDemand, 0, false},
      {"nor on a shrunken limit", {2, {{{0, 1, 0}, {0, 0, 0}, {4, 1, 0}}}}, kDemand, 0, false},
      {"with one connection too", {1, {{{0, 1, 0}, {0, 0, 0}, {1, 1, 0}}}}, kDemand, 0, true},
      {"demand waits: no prefetch", {4, {{{1, 2, 1}, {0, 1, 0}, {1, 1, 0}}}}, kPrefetch, 0, false},
      {"demand waits: no fill", {4, {{{1, 2, 1}, {0, 0, 0}, {1, 1, 0}}}}, kBackground, 1, false},
      {"prefetch waits: no fill", {4, {{{0, 0, 0}, {1, 2, 1}, {1, 1, 0}}}}, kBackground, 1, false},
      {"fill waits: demand goes on", {4, {{{1, 1, 0}, {0, 0, 0}, {1, 2, 1}}}}, kDemand, 1, true},
      {"below its share", {8, {{{0, 0, 0}, {0, 0, 0}, {5, 2, 1}}}}, kBackground, 3, true},
      {"at its share", {8, {{{0, 0, 0}, {0, 0, 0}, {5, 2, 1}}}}, kBackground, 4, false},
      {"share of what is left", {8, {{{4, 1, 0}, {0, 0, 0}, {2, 2, 1}}}}, kBackground, 2, false},
      {"shares are rounded up", {7, {{{0, 0, 0}, {0, 0, 0}, {3, 2, 1}}}}, kBackground, 3, true},
      {"more parties than slots", {2, {{{0, 0, 0}, {0, 0, 0}, {1, 9, 7}}}}, kBackground, 0, true},
      {"but one each", {2, {{{0, 0, 0}, {0, 0, 0}, {1, 9, 8}}}}, kBackground, 1, false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(may_take_slot(row.use, row.priority, row.held), row.granted) << row.what;
  }
}

}  // namespace
}  // namespace castool::fetch
