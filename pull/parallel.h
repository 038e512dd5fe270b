// A bounded number of threads over a list of independent tasks.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

#include "base/result.h"

namespace castool::pull {

// Runs task(i, stop) for every i below `count`, on at most `workers` threads, in order of i. The
// first failure stops the others and is the result; kCancelled when `stop` ended it. Returns when
// all threads have ended.
[[nodiscard]] base::Status run_parallel(
    std::size_t count, std::size_t workers,
    const std::function<base::Status(std::size_t, std::stop_token)>& task, std::stop_token stop);

}  // namespace castool::pull
