#include "tools/scratch_directory.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace castool::tools {
namespace {

TEST(ScratchDirectory, IsPrivateAndGoesAwayWithWhatIsInIt) {
  std::string path;
  {
    auto made = ScratchDirectory::create();
    ASSERT_TRUE(made);
    const ScratchDirectory moved = *std::move(made);
    path = moved.path();
    struct stat info = {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
    std::filesystem::create_directories(path + "/a/b");
    std::ofstream(path + "/a/b/file") << "x";
    EXPECT_TRUE(std::filesystem::exists(path + "/a/b/file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace castool::tools
