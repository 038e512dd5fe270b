#include "pull/reachability.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"

namespace castool::pull {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

base::Digest blob(std::string_view name) { return base::Sha256::of(name); }

GcRef ref(const std::string& name, std::int64_t last_used, std::vector<base::Digest> digests) {
  std::sort(digests.begin(), digests.end());
  return {"default", name, {"origin"}, false, last_used, std::move(digests)};
}

class Eviction : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> evicted(std::uint64_t target) const {
    std::vector<std::string> names;
    const auto in_use = [this](const GcRef& one) { return one.name == open_; };
    for (const auto i : refs_to_evict(refs_, sizes_, kept_, fixed_, target, in_use))
      names.push_back(refs_[i].name);
    return names;
  }

  const base::Digest a_ = blob("a"), b_ = blob("b"), c_ = blob("c"), shared_ = blob("shared");
  BlobSizes sizes_{{a_, 10}, {b_, 20}, {c_, 40}, {shared_, 100}};
  std::vector<GcRef> refs_{ref("new", 30, {c_}), ref("old", 10, {a_}), ref("middle", 20, {b_})};
  Digests kept_;
  std::uint64_t fixed_ = 0;
  std::string open_;
};

TEST_F(Eviction, LeastRecentlyUsedFirstAndNoMoreThanNeeded) {
  EXPECT_THAT(evicted(70), IsEmpty());
  EXPECT_THAT(evicted(69), ElementsAre("old"));
  EXPECT_THAT(evicted(60), ElementsAre("old"));
  EXPECT_THAT(evicted(59), ElementsAre("old", "middle"));
  EXPECT_THAT(evicted(0), ElementsAre("old", "middle", "new"));
}

TEST_F(Eviction, PinnedAndOpenOnesAreSpared) {
  refs_[1].pinned = true;
  EXPECT_THAT(evicted(0), ElementsAre("middle", "new"));
  open_ = "middle";
  EXPECT_THAT(evicted(0), ElementsAre("new"));
}

TEST_F(Eviction, WhatStaysAnywayCounts) {
  fixed_ = 5;
  EXPECT_THAT(evicted(70), ElementsAre("old"));
  kept_ = {shared_};  // leased: counted, and not freed by anybody
  EXPECT_THAT(evicted(170), ElementsAre("old"));
}

TEST_F(Eviction, SharedBlobsGoWithTheirLastRef) {
  refs_ = {ref("one", 1, {shared_}), ref("two", 2, {shared_}), ref("three", 3, {c_})};
  EXPECT_THAT(evicted(139), ElementsAre("one", "two"));
}

TEST_F(Eviction, ARefWhoseGoingFreesNothingStays) {
  refs_ = {ref("twin", 1, {shared_}), ref("old", 2, {a_}), ref("new", 3, {shared_})};
  refs_[2].pinned = true;
  EXPECT_THAT(evicted(100), ElementsAre("old"));
  EXPECT_THAT(evicted(0), ElementsAre("old"));
}

TEST_F(Eviction, ABlobOfALeaseFreesNothing) {
  kept_ = {a_};
  EXPECT_THAT(evicted(60), ElementsAre("middle"));
}

TEST(PartialGoes, ByWhoNeedsItAndItsAge) {
  const std::int64_t now = 1'000'000'000;
  const std::int64_t old = now - kPartialLifeSeconds - 1;
  const std::int64_t fresh = now - kPartialLifeSeconds;
  const auto kStays = std::nullopt;
  const struct {
    const char* what;
    bool held, table;
    std::int64_t written;
    BlobIs blob;
    NeededBy needed;
    PartialAge which;
    std::optional<Why> expected;
  } rows[] = {
      {"held", true, true, old, BlobIs::kStored, NeededBy::kNobody, PartialAge::kAny, kStays},
      {"held without a table", true, false, old, BlobIs::kMissing, NeededBy::kNobody,
       PartialAge::kAny, kStays},
      {"no table", false, false, fresh, BlobIs::kMissing, NeededBy::kNobody, PartialAge::kOld,
       Why::kGarbage},
      {"stored", false, true, fresh, BlobIs::kStored, NeededBy::kRef, PartialAge::kOld,
       Why::kStored},
      {"a ref's", false, true, old, BlobIs::kMissing, NeededBy::kRef, PartialAge::kAny, kStays},
      {"an evicted ref's", false, true, fresh, BlobIs::kMissing, NeededBy::kEvictedRef,
       PartialAge::kOld, Why::kEvicted},
      {"fresh", false, true, fresh, BlobIs::kMissing, NeededBy::kNobody, PartialAge::kOld, kStays},
      {"old", false, true, old, BlobIs::kMissing, NeededBy::kNobody, PartialAge::kOld,
       Why::kAbandoned},
      {"asked for", false, true, fresh, BlobIs::kMissing, NeededBy::kNobody, PartialAge::kAny,
       Why::kAskedFor},
      {"of tomorrow", false, true, now + 100'000'000, BlobIs::kMissing, NeededBy::kNobody,
       PartialAge::kOld, kStays},
  };
  for (const auto& row : rows) {
    cas::PartialEntry partial;
    if (row.table) partial.digest = blob("x");
    partial.held = row.held;
    partial.written_at = row.written;
    EXPECT_EQ(partial_goes(partial, row.blob, row.needed, row.which, now), row.expected)
        << row.what;
  }
}

}  // namespace
}  // namespace castool::pull
