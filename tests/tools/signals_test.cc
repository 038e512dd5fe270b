#include "tools/signals.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/mutex.h"
#include "tests/tools/child_process.h"

namespace castool::tools {
namespace {

// Waits until stop is requested; false after a minute.
bool wait_for_stop(std::stop_token token) {
  base::Mutex mutex;
  base::CondVar changed;
  const std::stop_callback notify(token, [&] {
    base::MutexLock lock(mutex);
    changed.notify_all();
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  base::MutexLock lock(mutex);
  while (!token.stop_requested()) {
    if (!changed.wait_until(mutex, deadline)) return token.stop_requested();
  }
  return true;
}

TEST(SignalWatch, TurnsSignalsIntoAStop) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const auto ended = test::run_forked([signal] {
      // Whoever runs the tests may have it ignored, as nohup does with SIGHUP.
      static_cast<void>(std::signal(signal, SIG_DFL));
      SignalWatch watch(HangUp::kStop);
      if (watch.token().stop_requested()) return 1;
      ::kill(::getpid(), signal);
      return wait_for_stop(watch.token()) ? 0 : 2;
    });
    EXPECT_EQ(ended.status, 0) << signal;
  }
}

TEST(SignalWatch, ASecondInterruptEndsAtOnce) {
  const auto ended = test::run_forked([] {
    static_cast<void>(std::signal(SIGINT, SIG_DFL));
    SignalWatch watch(HangUp::kStop);
    ::kill(::getpid(), SIGINT);
    if (!wait_for_stop(watch.token())) return 1;
    ::kill(::getpid(), SIGINT);
    ::pause();
    return 2;
  });
  EXPECT_EQ(ended.status, 130);
}

TEST(SignalWatch, LeavesIgnoredSignalsAlone) {
  const auto ended = test::run_forked([] {
    static_cast<void>(std::signal(SIGINT, SIG_IGN));  // a shell's background job
    SignalWatch watch(HangUp::kIgnore);
    ::kill(::getpid(), SIGINT);
    ::kill(::getpid(), SIGHUP);
    // Signals arrive in the order of their numbers, so TERM is the last of them.
    ::kill(::getpid(), SIGTERM);
    if (!wait_for_stop(watch.token())) return 1;
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 0 ? 0 : 2;
  });
  EXPECT_EQ(ended.status, 0);
  const auto only_ignored = test::run_forked([] {
    SignalWatch watch(HangUp::kIgnore);
    ::kill(::getpid(), SIGHUP);
    return watch.token().stop_requested() ? 1 : 0;
  });
  EXPECT_EQ(only_ignored.status, 0);
}

TEST(SignalWatch, GivesTheSignalsBack) {
  const auto ended = test::run_forked([] {
    { SignalWatch watch(HangUp::kStop); }
    ::kill(::getpid(), SIGTERM);
    return 0;
  });
  EXPECT_EQ(ended.status, 128 + SIGTERM);
}

TEST(BrokenPipes, AreErrorsThenAQuietEnd) {
  const auto ended = test::run_forked([] {
    ignore_broken_pipes();
    if (::kill(::getpid(), SIGPIPE) != 0) return 1;
    die_of_broken_pipe();
  });
  EXPECT_EQ(ended.status, 128 + SIGPIPE);
}

}  // namespace
}  // namespace castool::tools
