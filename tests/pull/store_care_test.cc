// The decisions of fsck, repair and quota.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "cas/inspect.h"
#include "cas/partial.h"
#include "pull/blob_mender.h"
#include "pull/fsck.h"
#include "pull/quota.h"

namespace castool::pull {
namespace {

using base::ByteRange;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kMiB = cas::kChunkSize;

TEST(BadRanges, AreTheChunksThatDiffer) {
  const std::vector<std::uint64_t> sums = {1, 2, 3, 4};
  const std::uint64_t size = 3 * kMiB + 10;
  EXPECT_THAT(cas::bad_ranges(size, size, sums, {1, 2, 3, 4}), IsEmpty());
  EXPECT_THAT(cas::bad_ranges(size, size, sums, {1, 9, 3, 4}), ElementsAre(ByteRange{kMiB, kMiB}));
  EXPECT_THAT(cas::bad_ranges(size, size, sums, {9, 9, 3, 9}),
              ElementsAre(ByteRange{0, 2 * kMiB}, ByteRange{3 * kMiB, 10}));
  // Too short: the last chunk, though what is there has the right checksum.
  EXPECT_THAT(cas::bad_ranges(size, size - 1, sums, {1, 2, 3, 4}),
              ElementsAre(ByteRange{3 * kMiB, 10}));
  EXPECT_THAT(cas::bad_ranges(size, kMiB, sums, {1}), ElementsAre(ByteRange{kMiB, 2 * kMiB + 10}));
  // Too long: what is too much, and the chunk that it ran into.
  EXPECT_THAT(cas::bad_ranges(size, size + 5, sums, {1, 2, 3, 9}),
              ElementsAre(ByteRange{3 * kMiB, 15}));
  EXPECT_THAT(cas::bad_ranges(kMiB, kMiB + 5, {1}, {1, 7}), ElementsAre(ByteRange{kMiB, 5}));
}

TEST(GoodRanges, AreTheRest) {
  EXPECT_THAT(good_ranges(10, {}), ElementsAre(ByteRange{0, 10}));
  EXPECT_THAT(good_ranges(10, {{0, 10}}), IsEmpty());
  EXPECT_THAT(good_ranges(10, {{2, 3}, {7, 1}}),
              ElementsAre(ByteRange{0, 2}, ByteRange{5, 2}, ByteRange{8, 2}));
  EXPECT_THAT(good_ranges(10, {{10, 5}}), ElementsAre(ByteRange{0, 10}));
  EXPECT_THAT(good_ranges(10, {{8, 9}}), ElementsAre(ByteRange{0, 8}));
}

TEST(SubsetOf, EveryBlobIsInExactlyOne) {
  for (int i = 0; i < 200; ++i) {
    const auto digest = base::Sha256::of(std::to_string(i));
    int in = 0;
    for (std::uint64_t n = 1; n <= 7; ++n) in += is_in({n, 7}, digest) ? 1 : 0;
    EXPECT_EQ(in, 1);
  }
}

TEST(Quota, SharedBlobsCountOnceInANamespace) {
  const auto a = base::Sha256::of("a");
  const auto b = base::Sha256::of("b");
  const Charges held = {{a, 100}};
  const struct {
    Charges more;
    std::uint64_t unnamed, limit;
    bool fits;
  } rows[] = {
      {{}, 0, 100, true},          {{}, 0, 99, false},         {{{a, 100}}, 0, 100, true},
      {{{b, 10}}, 0, 110, true},   {{{b, 10}}, 0, 109, false}, {{{a, 150}}, 0, 150, true},
      {{{a, 150}}, 0, 149, false}, {{{b, 10}}, 5, 115, true},  {{{b, 10}}, 5, 114, false},
  };
  for (const auto& row : rows) {
    const auto status = check_quota(held, row.more, row.unnamed, row.limit, "ns");
    EXPECT_EQ(status.has_value(), row.fits) << row.limit;
    if (!status) {
      EXPECT_EQ(status.error().code, base::Code::kQuota);
    }
  }
}

}  // namespace
}  // namespace castool::pull
