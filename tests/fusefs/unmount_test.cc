// How a mount begins and ends.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/mount.h"
#include "fusefs/mount_fixture.h"

namespace castool::fusefs {
namespace {

namespace fs = std::filesystem;
using base::UniqueFd;
using ::testing::HasSubstr;
using testing::random_bytes;

class UnmountTest : public testing::MountTest {};

TEST_F(UnmountTest, UnmountBusyLazyAndOfNothing) {
  put_model("o/m", {{"f", "bytes"}});
  EXPECT_EQ(unmount(mount_point_, Detach::kWhenIdle).error().code, base::Code::kNotFound);
  mount();
  std::jthread server([this] { EXPECT_TRUE(mount_->run({})); });
  UniqueFd open(::open((mount_point_ / "o/m/f").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(unmount(mount_point_, Detach::kWhenIdle).error().code, base::Code::kBusy);
  ASSERT_TRUE(unmount(mount_point_, Detach::kLazy));
  EXPECT_FALSE(fs::exists(mount_point_ / "o"));
  std::string got(5, '\0');
  EXPECT_EQ(::pread(open.get(), got.data(), 5, 0), 5) << "served until the last file is closed";
  EXPECT_EQ(got, "bytes");
  open.reset();
  server.join();
  EXPECT_EQ(unmount(mount_point_, Detach::kLazy).error().code, base::Code::kNotFound);
}

TEST_F(UnmountTest, AStopUnmountsEvenWithOpenFiles) {
  put_model("o/m", {{"f", "bytes"}});
  mount();
  std::stop_source stop;
  const UniqueFd open(::open((mount_point_ / "o/m/f").c_str(), O_RDONLY | O_CLOEXEC));
  std::jthread server([&] { EXPECT_TRUE(mount_->run(stop.get_token())); });
  stop.request_stop();
  server.join();
  EXPECT_FALSE(fs::exists(mount_point_ / "o"));
  EXPECT_THAT(log_.text(), HasSubstr("files are still open"));
}

TEST_F(UnmountTest, WhereNoMountMayGo) {
  mount();
  EXPECT_EQ(try_mount(mount_point_).error().code, base::Code::kBusy);
  EXPECT_EQ(try_mount(top_ / "missing").error().code, base::Code::kUsage);
  std::ofstream(top_ / "file") << "x";
  EXPECT_EQ(try_mount(top_ / "file").error().code, base::Code::kUsage);
  EXPECT_EQ(try_mount(top_ / "store/tmp").error().code, base::Code::kUsage);
  EXPECT_EQ(try_mount(top_ / "store").error().code, base::Code::kUsage);
  EXPECT_EQ(try_mount(top_).error().code, base::Code::kUsage);
}

TEST_F(UnmountTest, AKilledReaderHarmsNobody) {
  put_model("o/m", {{"f", random_bytes(16u << 20, 5)}});
  mount();
  const std::string path = mount_point_ / "o/m/f";
  for (int i = 0; i < 20; ++i) {
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      char buffer[65536];
      const int fd = ::open(path.c_str(), O_RDONLY);
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      for (off_t at = 0;; at = (at + 65536) % (16 << 20)) {
        if (::pread(fd, buffer, sizeof buffer, at) < 0) ::_exit(1);
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
      }
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  EXPECT_EQ(fs::file_size(path), 16u << 20);
  // All handles of the dead were released, or this would be busy.
  EXPECT_TRUE(soon([&] { return unmount(mount_point_, Detach::kWhenIdle).has_value(); }));
}

}  // namespace
}  // namespace castool::fusefs
