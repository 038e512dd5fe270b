#include "tests/tools/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/unique_fd.h"

namespace castool::test {
namespace {

using base::UniqueFd;

struct Pipe {
  UniqueFd reading, writing;
};

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) ::_exit(99);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Both streams to their ends, whichever says something first.
void read_all(const UniqueFd& out, const UniqueFd& error, Ended& ended) {
  std::array<pollfd, 2> sources = {{{out.get(), POLLIN, 0}, {error.get(), POLLIN, 0}}};
  std::array<char, 4096> buffer = {};
  while (sources[0].fd >= 0 || sources[1].fd >= 0) {
    if (::poll(sources.data(), sources.size(), 60'000) <= 0) return;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (sources[i].fd < 0 || sources[i].revents == 0) continue;
      const ssize_t count = ::read(sources[i].fd, buffer.data(), buffer.size());
      if (count <= 0) {
        sources[i].fd = -1;
      } else {
        (i == 0 ? ended.out : ended.error).append(buffer.data(), static_cast<std::size_t>(count));
      }
    }
  }
}

}  // namespace

Ended run_forked(const std::function<int()>& body) {
  Pipe out = make_pipe();
  Pipe error = make_pipe();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(out.writing.get(), STDOUT_FILENO);
    ::dup2(error.writing.get(), STDERR_FILENO);
    // The copies that the child's own children must not keep open.
    out = {};
    error = {};
    ::_exit(body());
  }
  out.writing.reset();
  error.writing.reset();
  Ended ended;
  read_all(out.reading, error.reading, ended);
  int status = 0;
  if (::waitpid(child, &status, 0) == child) {
    ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return ended;
}

Ended run_castool(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment, const std::string& out_path) {
  return run_forked([&] {
    std::vector<std::string> words = {CASTOOL_BINARY};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<std::string> variables = environment;
    std::vector<char*> argv, envp;
    for (std::string& word : words) argv.push_back(word.data());
    for (std::string& variable : variables) envp.push_back(variable.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    if (!out_path.empty()) {
      const UniqueFd out(::open(out_path.c_str(), O_WRONLY | O_CLOEXEC));
      ::dup2(out.get(), STDOUT_FILENO);
    }
    ::execve(argv[0], argv.data(), envp.data());
    return 127;
  });
}

}  // namespace castool::test
