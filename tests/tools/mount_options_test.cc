#include "tools/mount_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::tools {
namespace {

using testing::HasSubstr;

TEST(MountOptions, TakesItsWords) {
  MountArguments arguments;
  ASSERT_TRUE(apply_mount_options("uid=1000,gid=0,allow_other", arguments));
  EXPECT_EQ(arguments.uid, 1000u);
  EXPECT_EQ(arguments.gid, 0u);
  EXPECT_TRUE(arguments.allow_other);
}

TEST(MountOptions, LaterWordsWin) {
  MountArguments arguments;
  ASSERT_TRUE(apply_mount_options("uid=1", arguments));
  ASSERT_TRUE(apply_mount_options("uid=2", arguments));
  EXPECT_EQ(arguments.uid, 2u);
  EXPECT_FALSE(arguments.gid);
  EXPECT_FALSE(arguments.allow_other);
}

TEST(MountOptions, NamesWhatItRefuses) {
  for (const char* words : {"", "suid", "allow_other,dev", "uid=", "uid=root", "uid=-1", "uid=1x",
                            "gid=4294967295", "gid=4294967296", "uid=1,", "UID=1"}) {
    MountArguments arguments;
    const auto applied = apply_mount_options(words, arguments);
    ASSERT_FALSE(applied) << words;
    EXPECT_EQ(applied.error().code, base::Code::kUsage) << words;
    EXPECT_THAT(applied.error().message, HasSubstr("-o ")) << words;
  }
  MountArguments arguments;
  EXPECT_THAT(apply_mount_options("uid=1,suid", arguments).error().message, HasSubstr("suid"));
}

}  // namespace
}  // namespace castool::tools
