#include "pull/pull_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cas/deliveries.h"
#include "tests/pull/pull_fixture.h"

namespace castool::pull {
namespace {

using base::Code;
using testing::ElementsAre;

TEST(RouteOf, DependsOnWhatIsKnown) {
  const struct {
    std::uint64_t size;
    bool in_store, digest_known;
    Route expected;
    Extent extent = Extent::kWhole;
  } rows[] = {
      {10, true, true, Route::kReuse},
      {0, true, false, Route::kReuse},
      {0, false, true, Route::kEmpty},
      {0, false, false, Route::kEmpty},
      {1, false, true, Route::kWhole},
      {cas::kChunkSize, false, true, Route::kWhole},
      {cas::kChunkSize + 1, false, true, Route::kRanges},
      {cas::kChunkSize * 100, false, false, Route::kWhole},
      {10, true, true, Route::kReuse, Extent::kLazy},
      {cas::kChunkSize * 9, true, true, Route::kReuse, Extent::kLazy},
      {cas::kChunkSize, false, true, Route::kWhole, Extent::kLazy},
      {cas::kChunkSize + 1, false, true, Route::kLater, Extent::kLazy},
      {cas::kChunkSize * 100, false, false, Route::kWhole, Extent::kLazy},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(route_of(row.size, row.in_store, row.digest_known, row.extent), row.expected)
        << row.size;
  }
}

class MakePlan : public PullFixture {
 protected:
  MakePlan() { model_.origin = "https://hub.test acme/m"; }

  RemoteFile& add(const std::string& path, const std::string& bytes) {
    RemoteFile file;
    file.path = path;
    file.size = bytes.size();
    file.digest = base::Sha256::of(bytes);
    return model_.files.emplace_back(file);
  }
  static base::GitOid oid_of(const std::string& bytes) {
    base::GitBlobHasher hasher(bytes.size());
    hasher.update(std::as_bytes(std::span(bytes)));
    return hasher.finish();
  }

  RemoteModel model_;
};

TEST_F(MakePlan, MakesOneBlobOfEqualFiles) {
  add("a", "x");
  add("b", "yy");
  add("c", "x");
  const auto plan = make_plan(*store_, model_, Extent::kWhole);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->blobs.size(), 2u);
  EXPECT_THAT(plan->blobs[0].files, ElementsAre(0u, 2u));
  EXPECT_THAT(plan->blobs[1].files, ElementsAre(1u));
}

TEST_F(MakePlan, ReusesWhatIsStored) {
  ASSERT_TRUE(store_->put("x"));
  add("a", "x");
  EXPECT_EQ(make_plan(*store_, model_, Extent::kWhole)->blobs[0].route, Route::kReuse);
}

TEST_F(MakePlan, KnowsARegularFileByItsGitIdAtThisOriginOnly) {
  const auto digest = store_->put("regular").value();
  ASSERT_TRUE(store_->put_alias(cas::origin_key(model_.origin), oid_of("regular"), digest));
  RemoteFile& file = add("a", "regular");
  file.digest.reset();
  file.git_oid = oid_of("regular");
  EXPECT_EQ(make_plan(*store_, model_, Extent::kWhole)->blobs[0].route, Route::kReuse);
  EXPECT_EQ(make_plan(*store_, model_, Extent::kWhole)->blobs[0].digest, digest);
  model_.origin = "https://hub.test evil/m";
  EXPECT_EQ(make_plan(*store_, model_, Extent::kWhole)->blobs[0].route, Route::kWhole);
}

TEST_F(MakePlan, RefusesContradictions) {
  ASSERT_TRUE(store_->put("x"));
  ASSERT_TRUE(cas::note_delivery(*store_, model_.origin, base::Sha256::of("x")));
  add("stored with another size", "x").size = 2;
  EXPECT_EQ(make_plan(*store_, model_, Extent::kWhole).error().code, Code::kDigestMismatch);

  model_.files.clear();
  add("empty with a digest", "x").size = 0;
  EXPECT_EQ(make_plan(*store_, model_, Extent::kWhole).error().code, Code::kDigestMismatch);

  model_.files.clear();
  RemoteFile& empty = add("empty with an id", "");
  empty.digest.reset();
  empty.git_oid = oid_of("x");
  EXPECT_EQ(make_plan(*store_, model_, Extent::kWhole).error().code, Code::kDigestMismatch);

  model_.files.clear();
  add("two sizes", "y");
  add("of one content", "y").size = 7;
  EXPECT_EQ(make_plan(*store_, model_, Extent::kWhole).error().code, Code::kBadManifest);
}

// The answer would tell who only knows the digest that others have it here, and how long it is.
TEST_F(MakePlan, SaysNothingOfWhatOtherOriginsDelivered) {
  ASSERT_TRUE(store_->put("x"));
  add("stored with another size", "x").size = 2;
  const auto plan = make_plan(*store_, model_, Extent::kWhole);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->blobs.size(), 1u);
  EXPECT_EQ(plan->blobs[0].route, Route::kWhole) << "as if it were absent";
}

TEST_F(MakePlan, CountsTheBytesThatAreMissing) {
  ASSERT_TRUE(store_->put("stored"));
  add("stored", "stored");
  add("missing", "missing bytes");
  add("twice", "missing bytes");
  const std::string large(3u << 20, 'l');
  add("begun", large);
  auto plan = make_plan(*store_, model_, Extent::kWhole);
  EXPECT_EQ(bytes_needed(*store_, model_, *plan).value(), 13 + large.size());
  // An unfinished pull has its space already; that of another origin is another's.
  const auto partial = store_->open_partial({base::Sha256::of(large), large.size(), model_.origin},
                                            cas::Preallocate::kYes);
  ASSERT_TRUE(partial);
  EXPECT_EQ(bytes_needed(*store_, model_, *plan).value(), 13u);
  model_.origin = "https://hub.test acme/other";
  EXPECT_EQ(bytes_needed(*store_, model_, *plan).value(), 13 + large.size());
}

TEST_F(MakePlan, RefusesSizesThatOverflow) {
  add("a", "a").size = ~std::uint64_t{0} - 1;
  add("b", "b").size = ~std::uint64_t{0} - 1;
  const auto plan = make_plan(*store_, model_, Extent::kWhole);
  ASSERT_TRUE(plan);
  EXPECT_EQ(bytes_needed(*store_, model_, *plan).error().code, Code::kBadManifest);
}

TEST_F(MakePlan, ChecksTheFreeSpace) {
  EXPECT_TRUE(check_free_space(*store_, 0));
  EXPECT_TRUE(check_free_space(*store_, 1000));
  EXPECT_EQ(check_free_space(*store_, ~std::uint64_t{0}).error().code, Code::kNoSpace);
}

}  // namespace
}  // namespace castool::pull
