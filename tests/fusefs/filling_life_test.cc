// How a mount ends while readers wait for what has not arrived, and how it stays alive.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/filling_mount_fixture.h"
#include "fusefs/fuse_control.h"

namespace castool::fusefs {
namespace {

using base::UniqueFd;
using ::testing::AnyOf;
using ::testing::Each;
using testing::FillingMountTest;
using testing::random_bytes;
using Seconds = std::chrono::duration<double>;

class FillingLifeTest : public FillingMountTest {
 protected:
  // Readers of different places; each gives 0, or the errno of its read.
  std::vector<std::future<int>> readers(int count, int flags = 0) {
    std::vector<std::future<int>> all;
    for (int i = 0; i < count; ++i) {
      UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | flags));
      EXPECT_TRUE(fd) << errno;
      all.push_back(std::async(std::launch::async, [i, fd = std::move(fd)] {
        const auto buffer = aligned(4096);
        const auto at = static_cast<off_t>(i % 100) * 65536;
        return ::pread(fd.get(), buffer.get(), 4096, at) == 4096 ? 0 : errno;
      }));
    }
    return all;
  }
  static std::vector<int> ends_of(std::vector<std::future<int>>& readers) {
    std::vector<int> ends;
    for (auto& reader : readers) {
      const bool ended = reader.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
      ends.push_back(ended ? reader.get() : -1);
    }
    return ends;
  }
  dev_t device() {
    struct stat attr {};
    EXPECT_EQ(::stat(mount_point_.c_str(), &attr), 0);
    return attr.st_dev;
  }
};

TEST_F(FillingLifeTest, TheKernelLetsReadAheadBeUnanswered) {
  const auto control = FuseControl::open(device());
  if (!control) GTEST_SKIP() << control.error().text();
  const auto most = control->max_background();
  ASSERT_TRUE(most) << most.error().text();
  EXPECT_EQ(*most, ::geteuid() == 0 ? 65535u : std::min(65535u, unprivileged_max_background()));
  EXPECT_GT(unprivileged_max_background(), 0u);
}

TEST_F(FillingLifeTest, ABusyOneStaysAndGoesLazilyAndItsReadersGetTheirBytes) {
  std::jthread server([this] { EXPECT_TRUE(mount_->run({})); });
  auto waiting = readers(50);
  ASSERT_TRUE(soon([&] { return filling()->waiting() > 10; }));
  EXPECT_EQ(unmount(mount_point_, Detach::kWhenIdle).error().code, base::Code::kBusy);
  ASSERT_TRUE(unmount(mount_point_, Detach::kLazy));
  filling()->arrive_all();
  EXPECT_THAT(ends_of(waiting), Each(0));
  server.join();
}

TEST_F(FillingLifeTest, AStopEndsWithinABoundAndReadersGetAnError) {
  auto waiting = readers(200);
  auto direct = readers(50, O_DIRECT);
  ASSERT_TRUE(soon([&] { return filling()->waiting() > 50; }));
  const auto begin = std::chrono::steady_clock::now();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(mount_->run(stop.get_token()));
  EXPECT_LT(Seconds(std::chrono::steady_clock::now() - begin).count(), 15.0);
  EXPECT_THAT(ends_of(waiting), Each(AnyOf(EIO, ENOTCONN, ECONNABORTED)));
  EXPECT_THAT(ends_of(direct), Each(AnyOf(EIO, ENOTCONN, ECONNABORTED)));
  EXPECT_EQ(filling()->waiting(), 0u) << "all of it was given up";
}

TEST_F(FillingLifeTest, AStopWaitsALittleForWhatArrives) {
  auto waiting = readers(20);
  ASSERT_TRUE(soon([&] { return filling()->waiting() > 5; }));
  std::jthread server([this] {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_TRUE(mount_->run(stop.get_token()));
  });
  ASSERT_TRUE(soon([this] { return !std::filesystem::exists(path_); })) << "it has begun to end";
  filling()->arrive_all();
  EXPECT_THAT(ends_of(waiting), Each(0));
}

TEST_F(FillingLifeTest, AnAbortedConnectionFreesEverybody) {
  const auto control = FuseControl::open(device());
  if (!control) GTEST_SKIP() << control.error().text();
  auto waiting = readers(200);
  ASSERT_TRUE(soon([&] { return filling()->waiting() > 50; }));
  control->abort();
  EXPECT_THAT(ends_of(waiting), Each(AnyOf(EIO, ENOTCONN, ECONNABORTED)));
  EXPECT_TRUE(mount_->run({})) << "the mount notices";
  EXPECT_EQ(filling()->waiting(), 0u);
}

TEST_F(FillingLifeTest, AfterSigkillOfTheDaemonReadersGetAnErrorAndCanBeKilled) {
  guard_.reset();
  mount_.reset();
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    auto mounted = try_mount(mount_point_);
    if (mounted) static_cast<void>((*mounted)->run({}));
    ::_exit(1);
  }
  ASSERT_TRUE(soon([this] { return std::filesystem::exists(path_); }));
  auto waiting = readers(100);
  auto direct = readers(20, O_DIRECT);
  // A mapping that faults, in a process of its own.
  const pid_t mapper = fork_reader();
  if (mapper == 0) {
    const int fd = ::open(path_.c_str(), O_RDONLY);
    void* at = ::mmap(nullptr, bytes_.size(), PROT_READ, MAP_SHARED, fd, 0);
    ::_exit(*static_cast<const volatile char*>(at));
  }
  const auto control = FuseControl::open(device());
  // Every one of them has asked, or is about to: nothing more can be seen from here.
  EXPECT_EQ(waiting.front().wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  ::kill(daemon, SIGKILL);
  EXPECT_EQ(::waitpid(daemon, nullptr, 0), daemon);
  EXPECT_THAT(ends_of(waiting), Each(AnyOf(EIO, ENOTCONN, ECONNABORTED)));
  EXPECT_THAT(ends_of(direct), Each(AnyOf(EIO, ENOTCONN, ECONNABORTED)));
  int status = 0;
  ASSERT_TRUE(soon([&] { return ::waitpid(mapper, &status, WNOHANG) == mapper; }));
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
  if (control) control->abort();
}

// Opens that read the disk for long, more of them than there are threads for requests.
TEST_F(FillingLifeTest, SlowOpensHoldNobodyElseUp) {
  testing::Files many;
  for (unsigned i = 0; i < 16; ++i) {
    many.emplace_back("f" + std::to_string(i), random_bytes(1000, 100 + i));
    origin_.put(many.back().second);
  }
  put_partial_model("o/many", many);
  ASSERT_TRUE(soon([this] { return std::filesystem::exists(mount_point_ / "o/many/f0"); }));
  std::promise<void> go;
  origin_.hold_open(go.get_future().share());
  std::vector<std::future<int>> opens;
  for (const auto& file : many) {
    opens.push_back(std::async(std::launch::async, [path = mount_point_ / "o/many" / file.first] {
      const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      return fd ? 0 : errno;
    }));
  }
  EXPECT_EQ(opens.back().wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  for (int i = 0; i < 50; ++i) {
    const UniqueFd fd(::open((mount_point_ / "o/fine/f").c_str(), O_RDONLY | O_CLOEXEC));
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    EXPECT_TRUE(read_whole(mount_point_ / "o/fine/f") == fine_);
  }
  EXPECT_EQ(opens.front().wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  go.set_value();
  EXPECT_THAT(ends_of(opens), Each(0));
}

// Drops of pages while many read: nothing may hang, and no handle opened after a poison sees a byte
// from before it.
TEST_F(FillingLifeTest, AStormOfPoison) {
  constexpr int kRounds = 60;
  std::atomic<bool> done{false};
  std::atomic<int> strange{0};
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      while (!done) {
        const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
        for (int i = 0; fd && i < 20; ++i) {
          char byte = 0;
          const std::size_t at = random() % bytes_.size();
          const ssize_t got = ::pread(fd.get(), &byte, 1, static_cast<off_t>(at));
          if (got == 1 ? byte != bytes_[at] && byte != '!' : errno != EIO) ++strange;
        }
        // Poisoned once more between the look-up that ESTALE causes and the open.
        if (!fd && errno != EIO && errno != ESTALE) ++strange;
      }
    });
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < kRounds; ++round) {
    const auto blob = filling();
    for (std::size_t step = 0; step < blob->steps(); ++step)
      step % 3 == 0 ? blob->arrive_wrong(step) : blob->arrive(step);
    blob->poison();
  }
  EXPECT_LT(Seconds(std::chrono::steady_clock::now() - begin).count(), 60.0);
  // The readers hold all variants that were poisoned; they go on to ask until they get one.
  std::jthread origin([&] {
    while (!done) {
      filling()->arrive_all();
      std::this_thread::yield();
    }
  });
  EXPECT_TRUE(soon([&] { return first_byte(path_) == bytes_[0]; }));
  done = true;
  threads.clear();
  origin.join();
  EXPECT_EQ(strange, 0);
  EXPECT_TRUE(read_whole(path_) == bytes_);
}

}  // namespace
}  // namespace castool::fusefs
