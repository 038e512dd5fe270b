#include "base/file_ops.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace castool::base {
namespace {

class FileOpsTest : public ::testing::Test {
 protected:
  FileOpsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "castool-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    dir_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~FileOpsTest() override { std::filesystem::remove_all(path_); }

  [[nodiscard]] struct stat stat_of(const std::string& name) const {
    struct stat info = {};
    EXPECT_EQ(::fstatat(dir_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW), 0);
    return info;
  }
  UniqueFd create(const std::string& name) {
    return *files_.open(dir_.get(), name, O_RDWR | O_CREAT | O_EXCL, 0640);
  }

  std::filesystem::path path_;
  UniqueFd dir_;
  SystemFileOps files_;
};

TEST_F(FileOpsTest, ModesAreExactWhateverTheUmask) {
  const mode_t before = ::umask(0777);
  const auto fd = files_.open(dir_.get(), "f", O_RDWR | O_CREAT | O_EXCL, 0640);
  const auto made = files_.make_dir(dir_.get(), "d", 0700);
  ::umask(before);
  ASSERT_TRUE(fd);
  EXPECT_EQ(stat_of("f").st_mode & 07777, 0640u);
  // Its owner may not even open a directory made with mode 0000, unless it is root.
  if (made) {
    EXPECT_EQ(stat_of("d").st_mode & 07777, 0700u);
  }
}

TEST_F(FileOpsTest, OpenNeverFollowsALink) {
  (void)create("target");
  ASSERT_TRUE(files_.symlink("target", dir_.get(), "link"));
  const auto fd = files_.open(dir_.get(), "link", O_RDONLY, 0);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().sys_errno, ELOOP);
}

TEST_F(FileOpsTest, RenameKeepsWhatItMayNotReplace) {
  ASSERT_TRUE(files_.write_at(create("a").get(), 0, std::as_bytes(std::span("aa", 2))));
  (void)create("b");
  const auto refused = files_.rename(dir_.get(), "a", dir_.get(), "b", IfExists::kFail);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sys_errno, EEXIST);
  EXPECT_EQ(stat_of("b").st_size, 0);
  ASSERT_TRUE(files_.rename(dir_.get(), "a", dir_.get(), "b", IfExists::kReplace));
  EXPECT_EQ(stat_of("b").st_size, 2);
}

TEST_F(FileOpsTest, AllocateReservesAndGrows) {
  const UniqueFd fd = create("f");
  ASSERT_TRUE(files_.allocate(fd.get(), 1 << 20));
  EXPECT_EQ(stat_of("f").st_size, 1 << 20);
  ASSERT_TRUE(files_.truncate(fd.get(), 5));
  ASSERT_TRUE(files_.allocate(fd.get(), 0));
  EXPECT_EQ(stat_of("f").st_size, 0);
}

TEST_F(FileOpsTest, DirectoriesThatAreThereAreSuccess) {
  EXPECT_TRUE(files_.make_dir(dir_.get(), "d", 0700));
  EXPECT_TRUE(files_.make_dir(dir_.get(), "d", 0700));
  EXPECT_TRUE(files_.sync_dir(dir_.get(), "d"));
  EXPECT_TRUE(files_.remove_dir(dir_.get(), "d"));
  EXPECT_EQ(files_.remove_dir(dir_.get(), "d").error().sys_errno, ENOENT);
}

TEST_F(FileOpsTest, ErrorsNameThePathAndKeepTheErrno) {
  const auto missing = files_.open(dir_.get(), "no/such", O_RDONLY, 0);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().sys_errno, ENOENT);
  EXPECT_NE(missing.error().message.find("no/such"), std::string::npos);
  EXPECT_EQ(missing.error().code, Code::kIo);
  EXPECT_EQ(errno_error(ENOSPC, "x").code, Code::kNoSpace);
  EXPECT_EQ(errno_error(EDQUOT, "x").code, Code::kQuota);
  EXPECT_EQ(errno_error(EROFS, "x").code, Code::kStoreRefused);
}

}  // namespace
}  // namespace castool::base
