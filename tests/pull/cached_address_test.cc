#include "pull/cached_address.h"

#include <gtest/gtest.h>

#include "tests/pull/manual_clock.h"

namespace castool::pull {
namespace {

using Need = fetch::AddressBook::Need;

class CachedAddressTest : public testing::Test {
 protected:
  base::Result<fetch::BlobAddress> next() {
    ++asked_;
    if (fail_) return base::make_error(base::Code::kUnavailable, "no");
    fetch::BlobAddress address;
    address.url = std::to_string(asked_);
    if (life_) address.expires = clock_.now() + *life_;
    return address;
  }

  ManualClock clock_;
  std::optional<std::chrono::seconds> life_;
  bool fail_ = false;
  int asked_ = 0;
  CachedAddress book_{[this](const std::stop_token&) { return next(); }, clock_};
};

TEST_F(CachedAddressTest, AsksOnce) {
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "1");
  clock_.advance(std::chrono::hours(24));
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "1");
}

TEST_F(CachedAddressTest, AsksAgainWhenTold) {
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "1");
  EXPECT_EQ(book_.address(Need::kFresh, {})->url, "2");
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "2");
}

TEST_F(CachedAddressTest, AsksAgainAfterExpiry) {
  life_ = std::chrono::seconds(60);
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "1");
  clock_.advance(std::chrono::seconds(59));
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "1");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "2");
}

TEST_F(CachedAddressTest, ForgetsAnAddressThatCouldNotBeRenewed) {
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "1");
  fail_ = true;
  EXPECT_FALSE(book_.address(Need::kFresh, {}));
  fail_ = false;
  EXPECT_EQ(book_.address(Need::kAny, {})->url, "3");
}

}  // namespace
}  // namespace castool::pull
