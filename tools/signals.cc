#include "tools/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/error.h"
#include "tools/exit_status.h"

namespace castool::tools {
namespace {

bool is_ignored(int signal) {
  struct sigaction action = {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

SignalWatch::SignalWatch(HangUp hang_up) {
  if (hang_up == HangUp::kIgnore) static_cast<void>(std::signal(SIGHUP, SIG_IGN));
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // A blocked signal reaches a signalfd even when it is ignored, hence the look at it first.
    if (!is_ignored(signal)) sigaddset(&watched, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &watched, &previous_);
  signal_fd_.reset(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  end_fd_.reset(::eventfd(0, EFD_CLOEXEC));
  thread_ = std::thread([this] { watch(); });
}

SignalWatch::~SignalWatch() {
  const std::uint64_t one = 1;
  static_cast<void>(::write(end_fd_.get(), &one, sizeof one));
  thread_.join();
  ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

void SignalWatch::watch() {
  bool interrupted = false;
  while (true) {
    pollfd events[2] = {{signal_fd_.get(), POLLIN, 0}, {end_fd_.get(), POLLIN, 0}};
    if (::poll(events, 2, -1) < 0) continue;  // EINTR is the only way to get here
    if (events[1].revents != 0) return;
    signalfd_siginfo info = {};
    while (::read(signal_fd_.get(), &info, sizeof info) == ssize_t{sizeof info}) {
      if (info.ssi_signo == SIGINT && interrupted) {
        ::_exit(exit_status(base::Code::kCancelled));
      }
      interrupted = interrupted || info.ssi_signo == SIGINT;
      stop_.request_stop();
    }
  }
}

void ignore_broken_pipes() { static_cast<void>(std::signal(SIGPIPE, SIG_IGN)); }

void die_of_broken_pipe() {
  static_cast<void>(std::signal(SIGPIPE, SIG_DFL));
  static_cast<void>(::raise(SIGPIPE));
  ::_exit(1);  // only if SIGPIPE is blocked
}

}  // namespace castool::tools
