// Ends a mount's connection when the test that serves it dies.
//
// A test that reads its own mount from its own process cannot be killed while a read is unanswered:
// the reader waits inside the kernel for an answer that the dying process would have to give.
#pragma once

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "fusefs/fuse_control.h"

namespace castool::fusefs::testing {

// A process that waits for the death of the thread that made it, the test's main thread.
class ConnectionGuard {
 public:
  explicit ConnectionGuard(const std::string& mount_point) {
    sigset_t death;
    sigemptyset(&death);
    sigaddset(&death, SIGUSR1);
    const pid_t parent = ::getpid();
    child_ = ::fork();
    if (child_ != 0) return;
    ::pthread_sigmask(SIG_BLOCK, &death, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGUSR1);
    // Above all the mount's connection.
    ::close_range(3, ~0U, 0);
    struct stat attr {};
    if (::stat(mount_point.c_str(), &attr) != 0) ::_exit(1);
    const auto control = FuseControl::open(attr.st_dev);
    int signal = 0;
    if (::getppid() == parent) ::sigwait(&death, &signal);
    if (control) control->abort();
    ::umount2(mount_point.c_str(), MNT_DETACH);
    ::_exit(0);
  }
  ~ConnectionGuard() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ConnectionGuard(const ConnectionGuard&) = delete;
  ConnectionGuard& operator=(const ConnectionGuard&) = delete;

 private:
  pid_t child_ = -1;
};

}  // namespace castool::fusefs::testing
