#include "base/thread.h"

namespace castool::base {

Error no_thread(const std::system_error& failure) {
  Error error = errno_error(failure.code().value(), "no thread can be begun");
  error.code = Code::kIo;
  error.hint = "a limit of processes is reached: ulimit -u, pids.max or TasksMax";
  return error;
}

}  // namespace castool::base
