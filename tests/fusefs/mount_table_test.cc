#include "fusefs/mount_table.h"

#include <sys/sysmacros.h>

#include <filesystem>

#include <gtest/gtest.h>

namespace castool::fusefs {
namespace {

constexpr std::string_view kTable =
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "30 22 0:26 / /mnt/a\\040b rw,nosuid shared:7 master:2 - fuse.castool /s\\134x rw,user_id=0\n"
    "31 22 0:27 / /mnt/one rw - tmpfs none rw\n"
    "32 31 0:28 / /mnt/one rw - fuse.castool store rw\n"
    "broken line\n"
    "33 22 nonsense / /mnt/two rw - tmpfs none rw\n"
    "34 22 0:29 / /mnt/three rw shared:1 shared:2\n";

TEST(MountInfo, ReadsEntriesAndSkipsWhatIsNone) {
  const auto table = parse_mountinfo(kTable);
  ASSERT_EQ(table.size(), 4u);
  EXPECT_EQ(table[1].mount_point, "/mnt/a b");
  EXPECT_EQ(table[1].type, "fuse.castool");
  EXPECT_EQ(table[1].source, "/s\\x");
  EXPECT_EQ(table[1].device, makedev(0, 26));
  EXPECT_EQ(table[0].type, "ext4");
}

TEST(MountInfo, TheLastMountIsOnTop) {
  const auto table = parse_mountinfo(kTable);
  EXPECT_EQ(mount_at(table, "/mnt/one")->type, "fuse.castool");
  EXPECT_FALSE(mount_at(table, "/mnt"));
  EXPECT_FALSE(mount_at(table, "/mnt/one/"));
}

TEST(MountInfo, TheRootIsMounted) {
  const auto root = current_mount_at("/");
  ASSERT_TRUE(root);
  EXPECT_TRUE(*root);
}

TEST(Paths, Inside) {
  EXPECT_TRUE(is_inside("/a/b", "/a"));
  EXPECT_TRUE(is_inside("/a", "/a"));
  EXPECT_TRUE(is_inside("/a", "/"));
  EXPECT_FALSE(is_inside("/ab", "/a"));
  EXPECT_FALSE(is_inside("/a", "/a/b"));
}

TEST(Paths, Canonical) {
  EXPECT_EQ(*canonical_path("/proc/.././proc/"), "/proc");
  EXPECT_FALSE(canonical_path("/proc/no-such-thing"));
  EXPECT_FALSE(canonical_path("/proc/version/x"));
  EXPECT_EQ(*canonical_path("."), std::filesystem::current_path().string());
}

}  // namespace
}  // namespace castool::fusefs
