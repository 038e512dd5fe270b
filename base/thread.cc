#include "base/thread.h"

#include <cerrno>

namespace castool::base {
namespace {

// EAGAIN is all that the kernel says of limits, and ENOMEM of a machine that is full.
Error none_left(int sys_errno, const char* what) {
  Error error = errno_error(sys_errno, what);
  error.code = Code::kIo;
  if (sys_errno == EAGAIN) {
    error.hint = "a limit of processes is reached: ulimit -u, pids.max or TasksMax";
  }
  return error;
}

}  // namespace

Error no_thread(const std::system_error& failure) {
  return none_left(failure.code().value(), "no thread can be begun");
}

Error no_process(int sys_errno) { return none_left(sys_errno, "no process can be begun"); }

}  // namespace castool::base
