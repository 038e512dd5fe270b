// Bounded numbers of threads over lists of independent tasks.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>

#include "base/result.h"

namespace castool::pull {

// Tasks of one kind: task(i, stop) for every i below `count`, begun in order of i, on at most
// `workers` threads.
struct TaskGroup {
  std::size_t count = 0;
  std::size_t workers = 1;
  std::function<base::Status(std::size_t, std::stop_token)> task;
};

// Runs all groups beside each other. The first failure stops all others and is the result;
// kCancelled when `stop` ended it. Returns when all threads have ended.
[[nodiscard]] base::Status run_parallel(std::span<const TaskGroup> groups, std::stop_token stop);

// The same with one group.
[[nodiscard]] base::Status run_parallel(
    std::size_t count, std::size_t workers,
    const std::function<base::Status(std::size_t, std::stop_token)>& task, std::stop_token stop);

}  // namespace castool::pull
