// Threads: one that cannot be begun is an error, and not an exception that ends the process.
//
// Limits on processes count threads, and those of everybody else in the container with them: a
// daemon that meets one has to fail what it was asked for and nothing more.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

#include "base/result.h"

namespace castool::base {

// kIo: the system has no more threads for us.
[[nodiscard]] Error no_thread(const std::system_error& failure);
// The same of a process, by errno after fork().
[[nodiscard]] Error no_process(int sys_errno);

// `work` takes nothing or a std::stop_token.
template <class Work>
[[nodiscard]] Result<std::jthread> begin_thread(Work work) {
  try {
    return std::jthread(std::move(work));
  } catch (const std::system_error& failure) {
    return no_thread(failure);
  }
}

}  // namespace castool::base
