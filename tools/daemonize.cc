#include "tools/daemonize.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/thread.h"

namespace castool::tools {
namespace {

using base::errno_error;
using base::Result;
using base::Status;

Result<DaemonParent> wait_for(pid_t child, const base::UniqueFd& pipe) {
  char byte = 0;
  ssize_t count = 0;
  do {
    count = ::read(pipe.get(), &byte, 1);
  } while (count < 0 && errno == EINTR);
  if (count == 1) return DaemonParent{0};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return errno_error(errno, "wait for the daemon");
  }
  if (WIFEXITED(status)) return DaemonParent{WEXITSTATUS(status)};
  return base::make_error(base::Code::kInternal,
                          "the daemon was ended by signal " + std::to_string(WTERMSIG(status)));
}

}  // namespace

Status DaemonChild::ready() {
  if (::setsid() < 0) return errno_error(errno, "start a session");
  if (::chdir("/") != 0) return errno_error(errno, "change to /");
  const base::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return errno_error(errno, "open /dev/null");
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::dup2(null.get(), stream) < 0) return errno_error(errno, "let go of the terminal");
  }
  // The parent may have been killed meanwhile; the daemon works all the same.
  static_cast<void>(::write(ready_fd_.get(), "r", 1));
  ready_fd_.reset();
  return base::ok();
}

Result<std::variant<DaemonParent, DaemonChild>> daemonize() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "make a pipe");
  base::UniqueFd reading(ends[0]);
  base::UniqueFd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return base::no_process(errno);
  if (child == 0) return std::variant<DaemonParent, DaemonChild>(DaemonChild(std::move(writing)));
  writing.reset();
  CASTOOL_ASSIGN(const DaemonParent parent, wait_for(child, reading));
  return std::variant<DaemonParent, DaemonChild>(parent);
}

}  // namespace castool::tools
