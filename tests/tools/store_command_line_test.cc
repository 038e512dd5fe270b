// The command lines of gc, pin, cp, update, fsck, import and quota.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/command_line.h"

namespace castool::tools {
namespace {

using testing::ElementsAre;

using Words = std::vector<std::string>;

template <class Arguments>
std::optional<Arguments> parse_as(const Words& words) {
  const auto parsed = parse_command_line(words);
  if (!parsed || !std::holds_alternative<Invocation>(*parsed)) return std::nullopt;
  const auto* arguments = std::get_if<Arguments>(&std::get<Invocation>(*parsed).arguments);
  return arguments == nullptr ? std::nullopt : std::optional(*arguments);
}

bool refused(const Words& words) {
  const auto parsed = parse_command_line(words);
  return !parsed && parsed.error().code == base::Code::kUsage;
}

TEST(StoreCommandLine, Gc) {
  const auto plain = parse_as<GcArguments>({"gc"}).value();
  EXPECT_FALSE(plain.dry_run || plain.partials || plain.max_size);
  const auto all = parse_as<GcArguments>({"gc", "--max-size", "2G", "--partials", "--dry-run"});
  EXPECT_TRUE(all->dry_run && all->partials);
  EXPECT_EQ(all->max_size, 2ull << 30);
  EXPECT_TRUE(refused({"gc", "--max-size", "much"}));
  EXPECT_TRUE(refused({"gc", "acme/x"}));
}

TEST(StoreCommandLine, PinAndItsOpposite) {
  EXPECT_TRUE(parse_as<PinArguments>({"pin", "a", "b"})->pinned);
  const auto unpin = parse_as<PinArguments>({"unpin", "a", "b"}).value();
  EXPECT_FALSE(unpin.pinned);
  EXPECT_THAT(unpin.names, ElementsAre("a", "b"));
  EXPECT_TRUE(refused({"pin"}));
}

TEST(StoreCommandLine, CpTakesTwoNames) {
  const auto cp = parse_as<CpArguments>({"cp", "a", "b"}).value();
  EXPECT_EQ(cp.from + cp.to, "ab");
  EXPECT_TRUE(refused({"cp", "a"}));
}

TEST(StoreCommandLine, UpdateAndFsckMayNameModels) {
  EXPECT_TRUE(parse_as<UpdateArguments>({"update"})->names.empty());
  EXPECT_THAT(parse_as<UpdateArguments>({"update", "a"})->names, ElementsAre("a"));
  const auto fsck =
      parse_as<FsckArguments>({"fsck", "a", "--repair", "--quick", "--subset", "2/7"});
  EXPECT_THAT(fsck->names, ElementsAre("a"));
  EXPECT_TRUE(fsck->repair && fsck->quick && !fsck->dry_run);
  EXPECT_EQ(fsck->subset.n, 2u);
  EXPECT_EQ(fsck->subset.t, 7u);
  for (const std::string bad : {"0/1", "2/1", "1", "1/", "/1", "1/2x", "-1/2"}) {
    EXPECT_TRUE(refused({"fsck", "--subset", bad})) << bad;
  }
  EXPECT_TRUE(refused({"fsck", "--repair", "--dry-run"}));
}

TEST(StoreCommandLine, ImportAndQuota) {
  EXPECT_EQ(parse_as<ImportArguments>({"import", "p", "n"})->name, "n");
  EXPECT_TRUE(refused({"import"}));
  EXPECT_FALSE(parse_as<QuotaArguments>({"quota"})->ns);
  EXPECT_EQ(parse_as<QuotaArguments>({"quota", "team", "1K"})->bytes, 1024u);
  EXPECT_TRUE(parse_as<QuotaArguments>({"quota", "team", "none"})->remove);
  EXPECT_TRUE(refused({"quota", "team", "lots"}));
}

TEST(StoreCommandLine, MountKeepsASize) {
  EXPECT_EQ(parse_as<MountArguments>({"mount", "d", "--max-size", "1M"})->max_size, 1u << 20);
  EXPECT_TRUE(refused({"mount", "d", "--max-size", "x"}));
}

}  // namespace
}  // namespace castool::tools
