// Who may have a blob that the store has already: the rule, the proof, and pulls of two tenants.
#include "pull/attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cas/deliveries.h"
#include "pull/proof_sink.h"
#include "tests/pull/pull_fixture.h"

namespace castool::pull {
namespace {

using base::ByteRange;
using base::Code;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(AttachRule, TakesAReasonToReuse) {
  const struct {
    bool stored, empty, held, delivered;
    Attach expected;
  } rows[] = {
      {false, false, false, false, Attach::kFetch}, {false, true, true, true, Attach::kFetch},
      {true, false, false, false, Attach::kProve},  {true, true, false, false, Attach::kReuse},
      {true, false, true, false, Attach::kReuse},   {true, false, false, true, Attach::kReuse},
      {true, false, true, true, Attach::kReuse},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(attach_rule({row.stored, row.empty, row.held, row.delivered}), row.expected);
  }
}

TEST(ProofRanges, CoverSmallBlobsAndSampleLargeOnes) {
  std::mt19937_64 random(1);
  constexpr std::uint64_t kMiB = 1 << 20;
  EXPECT_THAT(proof_ranges(0, random), IsEmpty());
  EXPECT_THAT(proof_ranges(7, random), ElementsAre(ByteRange{0, 7}));
  EXPECT_THAT(proof_ranges(2 * kMiB, random),
              ElementsAre(ByteRange{0, kMiB}, ByteRange{kMiB, kMiB}));
  const auto one = proof_ranges(100 * kMiB, random);
  const auto other = proof_ranges(100 * kMiB, random);
  EXPECT_EQ(one.size(), 32u);
  EXPECT_NE(one, other);
  for (const auto& range : one) {
    EXPECT_EQ(range.length, 64u << 10);
    EXPECT_LE(range.end(), 100 * kMiB);
  }
  EXPECT_EQ(proof_ranges(2 * kMiB + 1, random).size(), 32u);
}

class Tenants : public PullFixture {
 protected:
  Tenants() {
    fake_.repos["acme/secret"].files["model.gguf"] = {gguf_, true};
    fake_.add_model("library/tiny", "1b", gguf_);
  }
  // Of the other tenant.
  base::Result<PullOutcome> pull_as_other(const std::string& source) {
    auto refs = cas::RefStore::open(*store_, "other").value();
    events_.last.clear();  // another pull, from the beginning
    request_.source = manifest::parse_source(source).value();
    const PullContext context{*store_, refs, *http_, *downloader_, origins_, clock_, *log_};
    return pull(context, request_, events_, {});
  }
  [[nodiscard]] std::uint64_t received() const { return downloader_->counters().bytes_received; }
  [[nodiscard]] std::string blob_key() const {
    return "library/tiny/blobs/" + base::Sha256::of(gguf_).text();
  }

  const std::string gguf_ = bytes_of((9u << 20) + 99, 4);
};

TEST_F(Tenants, AnOriginThatHasTheBytesProvesIt) {
  ASSERT_TRUE(pull_text("acme/secret"));
  const auto before = received();
  const auto pulled = pull_as_other("tiny:1b");
  ASSERT_TRUE(pulled) << pulled.error().text();
  // A proof, not the blob.
  EXPECT_GT(received(), before);
  EXPECT_LT(received() - before, gguf_.size() / 2);
  // Now it is known to have them.
  EXPECT_TRUE(
      cas::was_delivered(*store_, "https://registry.test library/tiny", base::Sha256::of(gguf_)));
}

TEST_F(Tenants, AnOriginThatOnlyKnowsTheDigestGainsNothing) {
  ASSERT_TRUE(pull_text("acme/secret"));
  const std::string bytes = fake_.registry_files.at(blob_key());
  fake_.registry_files.erase(blob_key());
  const auto absent = pull_as_other("tiny:1b");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Code::kNotFound);
  fake_.registry_files[blob_key()] = bytes_of(gguf_.size(), 5);
  const auto wrong = pull_as_other("tiny:1b");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kDigestMismatch);
  EXPECT_THAT(cas::RefStore::list(*store_, "other").value(), IsEmpty());
}

TEST_F(Tenants, WhatTheNamespaceHasItMayHaveAgain) {
  ASSERT_TRUE(pull_text("acme/secret"));
  const auto before = received();
  ASSERT_TRUE(pull_text("tiny:1b"));
  EXPECT_EQ(received(), before);
}

TEST_F(Tenants, AnOriginThatDeliveredNeedsNoProof) {
  ASSERT_TRUE(pull_text("acme/secret"));
  const auto before = received();
  ASSERT_TRUE(pull_as_other("acme/secret"));
  EXPECT_EQ(received(), before);
}

}  // namespace
}  // namespace castool::pull
