#include "tools/daemonize.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include <gtest/gtest.h>

#include "tests/tools/child_process.h"
#include "tools/output.h"

namespace castool::tools {
namespace {

// Runs `child` as the daemon; the parent's status is what comes back. The daemon itself ends with
// whatever `child` returns.
template <class Child>
test::Ended run_daemon(const Child& child) {
  return test::run_forked([&] {
    auto side = daemonize();
    if (!side) return 97;
    if (const auto* parent = std::get_if<DaemonParent>(&*side)) return parent->exit_status;
    return child(std::get<DaemonChild>(*side));
  });
}

bool is_null_device(int fd) {
  struct stat status = {}, null = {};
  return ::fstat(fd, &status) == 0 && ::stat("/dev/null", &null) == 0 &&
         status.st_rdev == null.st_rdev;
}

TEST(Daemonize, AParentReportsItsChildsFailure) {
  const auto ended = run_daemon([](DaemonChild&) {
    static_cast<void>(write_all(STDERR_FILENO, "why\n"));
    return 75;
  });
  EXPECT_EQ(ended.status, 75);
  EXPECT_EQ(ended.error, "why\n");
}

TEST(Daemonize, AParentEndsWhenItsChildIsReady) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  base::UniqueFd reading(ends[0]), writing(ends[1]);
  // The child stays until the test lets go of its end of a second pipe.
  int hold[2] = {-1, -1};
  ASSERT_EQ(::pipe2(hold, O_CLOEXEC), 0);
  base::UniqueFd held(hold[0]), holding(hold[1]);

  const auto ended = run_daemon([&](DaemonChild& daemon) {
    holding.reset();
    if (!daemon.ready()) return 1;
    std::string found;
    found += ::getsid(0) == ::getpid() ? 's' : '-';
    std::array<char, 64> directory = {};
    found += ::getcwd(directory.data(), directory.size()) != nullptr &&
                     std::string_view(directory.data()) == "/"
                 ? 'd'
                 : '-';
    for (const int fd : {0, 1, 2}) found += is_null_device(fd) ? 'n' : '-';
    static_cast<void>(write_all(writing.get(), found));
    char byte = 0;
    static_cast<void>(!::read(held.get(), &byte, 1));  // until the test ends
    return 2;
  });
  // The parent is gone with success, and nothing of it holds the test's pipes, while the daemon
  // lives.
  EXPECT_EQ(ended.status, 0);
  std::array<char, 8> found = {};
  EXPECT_EQ(::read(reading.get(), found.data(), 5), 5);
  EXPECT_STREQ(found.data(), "sdnnn");
}

TEST(Daemonize, AKilledChildIsAnError) {
  const auto ended = test::run_forked([] {
    auto side = daemonize();
    if (!side) return side.error().code == base::Code::kInternal ? 42 : 1;
    if (std::holds_alternative<DaemonParent>(*side)) return 2;
    ::kill(::getpid(), SIGKILL);
    return 3;
  });
  EXPECT_EQ(ended.status, 42);
}

}  // namespace
}  // namespace castool::tools
