#include "pull/parallel.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

class FirstError {
 public:
  void offer(base::Error error) CASTOOL_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  [[nodiscard]] std::optional<base::Error> take() CASTOOL_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return std::move(error_);
  }

 private:
  base::Mutex mutex_;
  std::optional<base::Error> error_ CASTOOL_GUARDED_BY(mutex_);
};

// What the threads of one run share.
struct Run {
  std::stop_source all;
  FirstError first;
};

// One thread's work on a group.
void work_on(const TaskGroup& group, std::atomic<std::size_t>& next, Run& run) {
  while (!run.all.stop_requested()) {
    const std::size_t index = next.fetch_add(1);
    if (index >= group.count) return;
    auto status = group.task(index, run.all.get_token());
    if (status) continue;
    // What the others then report is only that they were stopped.
    run.first.offer(std::move(status).error());
    run.all.request_stop();
  }
}

}  // namespace

base::Status run_parallel(std::span<const TaskGroup> groups, std::stop_token stop) {
  Run run;
  const std::stop_callback forward(stop, [&run] { run.all.request_stop(); });
  std::vector<std::atomic<std::size_t>> next(groups.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t group = 0; group < groups.size(); ++group) {
      const TaskGroup& tasks = groups[group];
      const std::size_t wanted = std::min(tasks.count, std::max<std::size_t>(tasks.workers, 1));
      const auto work = [&run, &tasks, &next = next[group]] { work_on(tasks, next, run); };
      std::size_t started = 0;
      try {
        for (; started < wanted; ++started) threads.emplace_back(work);
      } catch (const std::system_error&) {
        // Fewer threads than wished for do the same work; without any, this one does.
        if (started == 0) work();
      }
    }
  }
  if (stop.stop_requested()) return cancelled_error();
  if (auto error = run.first.take()) return *std::move(error);
  return base::ok();
}

base::Status run_parallel(std::size_t count, std::size_t workers,
                          const std::function<base::Status(std::size_t, std::stop_token)>& task,
                          std::stop_token stop) {
  const TaskGroup group{count, workers, task};
  return run_parallel(std::span(&group, 1), std::move(stop));
}

}  // namespace castool::pull
