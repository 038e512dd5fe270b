// A real mount with a file that arrives when the test says so, o/m/f, and one that is stored,
// o/fine/f. What is still waited for fails at the end, so that no reader is left.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fusefs/connection_guard.h"
#include "fusefs/fake_filler.h"
#include "fusefs/mount_fixture.h"

namespace castool::fusefs::testing {

class FillingMountTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    put_partial_model("o/m", {{"f", bytes_}});
    put_model("o/fine", {{"f", fine_}});
    origin_.put(bytes_);
    filler_ = &origin_;
    mount();
    guard_.emplace(mount_point_);
    path_ = mount_point_ / "o/m/f";
  }
  void TearDown() override {
    if (!top_.empty()) filling()->fail_reads(base::Code::kUnavailable);
    guard_.reset();
    MountTest::TearDown();
  }

  // What has to come, however slow the machine is.
  static bool soon(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::shared_ptr<FakeFilling> filling() { return origin_.filling_of(bytes_); }

  void arrive_in_random_order(unsigned seed) {
    const auto blob = filling();
    std::vector<std::size_t> steps(blob->steps());
    std::iota(steps.begin(), steps.end(), std::size_t{0});
    std::shuffle(steps.begin(), steps.end(), std::mt19937(seed));
    for (const std::size_t step : steps) {
      blob->arrive(step);
      std::this_thread::yield();
    }
  }

  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  static std::unique_ptr<char, Free> aligned(std::size_t size) {
    return std::unique_ptr<char, Free>(static_cast<char*>(std::aligned_alloc(4096, size)));
  }

  // Whatever of the range is inside the file, no less.
  void expect_read(int fd, char* buffer, std::size_t at, std::size_t size) {
    const std::size_t want = at < bytes_.size() ? std::min(size, bytes_.size() - at) : 0;
    const ssize_t got = ::pread(fd, buffer, size, static_cast<off_t>(at));
    if (got != static_cast<ssize_t>(want) || bytes_.compare(at, want, buffer, want) != 0) {
      ++wrong_;
      ADD_FAILURE() << "at " << at << ": " << got << " of " << want << " bytes, errno " << errno;
    }
  }

  static void splice_all(int from, int to) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    for (;;) {
      const ssize_t got = ::splice(from, nullptr, pipe[1], nullptr, 65536, 0);
      if (got <= 0) break;
      for (ssize_t left = got; left > 0;)
        left -= ::splice(pipe[0], nullptr, to, nullptr, static_cast<std::size_t>(left), 0);
    }
    ::close(pipe[0]);
    ::close(pipe[1]);
  }

  // A process that does not keep the mount's connection open: if it did and this one died, nobody
  // could end what it waits for.
  static pid_t fork_reader() {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::close_range(3, ~0U, 0);
    static_cast<void>(std::signal(SIGBUS, SIG_DFL));  // a sanitizer would report it and go on
    return child;
  }

  // Tried in another process, which has the mapping too.
  static bool touching_raises_bus_error(const void* mapped) {
    const pid_t child = fork_reader();
    if (child == 0) ::_exit(*static_cast<const volatile char*>(mapped));
    int status = 0;
    return ::waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGBUS;
  }

  static std::string read_whole(const std::filesystem::path& path) { return read_file(path); }
  static int first_byte(const std::filesystem::path& path) {
    const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char byte = 0;
    return ::pread(fd.get(), &byte, 1, 0) == 1 ? byte : -errno;
  }

  const std::string bytes_ = random_bytes((9u << 20) + 321, 11);
  const std::string fine_ = random_bytes(300'000, 12);
  FakeFiller origin_;
  std::optional<ConnectionGuard> guard_;
  std::string path_;
  std::atomic<int> wrong_{0};
};

}  // namespace castool::fusefs::testing
