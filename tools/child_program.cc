#include "tools/child_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/unique_fd.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

constexpr int kGraceMilliseconds = 10'000;

// posix_spawn's two tables, freed however the function ends.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // Signals as a program expects them, whatever castool blocks and ignores.
  void prepare(ChildOutput output) {
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (output == ChildOutput::kDropped) {
      ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    ::posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
  }

  Result<pid_t> spawn(const std::string& path, std::vector<std::string> words,
                      std::vector<std::string> environment) {
    pid_t child = 0;
    const int failure = ::posix_spawn(&child, path.c_str(), &actions_, &attributes_,
                                      pointers(words).data(), pointers(environment).data());
    if (failure != 0) return base::errno_error(failure, "run " + path);
    return child;
  }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (std::string& text : texts) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
  }

  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// Whether the child ended within the time; the event of a stop request ends the wait as well.
bool ended(int child_fd, int stop_fd, int milliseconds) {
  std::array<pollfd, 2> events{{{child_fd, POLLIN, 0}, {stop_fd, POLLIN, 0}}};
  const nfds_t count = stop_fd < 0 ? 1 : 2;
  while (::poll(events.data(), count, milliseconds) < 0 && errno == EINTR) continue;
  return (events[0].revents & POLLIN) != 0;
}

int reap(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

Status outcome_of(int status, const std::string& program) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return base::ok();
  const std::string how = WIFEXITED(status) ? fmt::format("exit status {}", WEXITSTATUS(status))
                                            : fmt::format("killed by signal {}", WTERMSIG(status));
  return make_error(Code::kUnsupported, fmt::format("{} failed: {}", program, how));
}

}  // namespace

std::string find_program(const std::string& name, const Variables& variables) {
  const std::string path = variable(variables, "PATH");
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t end = std::min(path.find(':', from), path.size());
    std::string candidate = path.substr(from, end - from) + "/" + name;
    if (end > from && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    from = end + 1;
  }
  return {};
}

Status run_program(const std::string& path, const std::vector<std::string>& words,
                   const Variables& variables, ChildOutput output, const std::stop_token& stop) {
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  SpawnPlan plan;
  plan.prepare(output);
  const base::UniqueFd stopped(::eventfd(0, EFD_CLOEXEC));
  CASTOOL_ASSIGN(const pid_t child, plan.spawn(path, words, std::move(environment)));
  const base::UniqueFd watch(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  bool done = false;
  {
    const std::stop_callback wake(
        stop, [&stopped] { static_cast<void>(::eventfd_write(stopped.get(), 1)); });
    done = ended(watch.get(), stopped.get(), -1);
  }
  if (!done) {
    ::kill(-child, SIGTERM);
    done = ended(watch.get(), -1, kGraceMilliseconds);
  }
  // Before the child is reaped its group cannot be anybody else's.
  if (!done || stop.stop_requested()) ::kill(-child, SIGKILL);
  const int status = reap(child);
  if (stop.stop_requested()) return make_error(Code::kCancelled, "interrupted");
  return outcome_of(status, words.front());
}

}  // namespace castool::tools
