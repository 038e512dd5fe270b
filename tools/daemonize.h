// A daemon whose parent waits until it works, so that the shell's next command finds it ready.
#pragma once

#include <optional>
#include <variant>

#include "base/result.h"
#include "base/unique_fd.h"

namespace castool::tools {

// The child's end. Until ready() it belongs to the terminal: it may print errors, and ^C reaches
// it. Ending before that gives the parent the child's exit status.
class DaemonChild {
 public:
  explicit DaemonChild(base::UniqueFd ready_fd) : ready_fd_(std::move(ready_fd)) {}

  // A session of its own, the root directory, /dev/null for the standard streams; then the parent
  // is told and exits with 0. Call once.
  [[nodiscard]] base::Status ready();
  // Whether ready() told the parent: from then on nobody reads what is printed.
  [[nodiscard]] bool told() const { return !ready_fd_; }

 private:
  base::UniqueFd ready_fd_;
};

struct DaemonParent {
  int exit_status = 0;  // what the parent has to exit with
};

// Forks; no other thread may exist. The parent returns when the child is ready or has ended.
[[nodiscard]] base::Result<std::variant<DaemonParent, DaemonChild>> daemonize();

}  // namespace castool::tools
