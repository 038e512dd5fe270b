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

}  // namespace

base::Status run_parallel(std::size_t count, std::size_t workers,
                          const std::function<base::Status(std::size_t, std::stop_token)>& task,
                          std::stop_token stop) {
  std::stop_source all;
  const std::stop_callback forward(stop, [&all] { all.request_stop(); });
  std::atomic<std::size_t> next{0};
  FirstError first;
  const auto work = [&] {
    while (!all.stop_requested()) {
      const std::size_t index = next.fetch_add(1);
      if (index >= count) return;
      auto status = task(index, all.get_token());
      if (status) continue;
      // What the others then report is only that they were stopped.
      first.offer(std::move(status).error());
      all.request_stop();
    }
  };
  {
    std::vector<std::jthread> threads;
    const std::size_t wanted = std::min(count, std::max<std::size_t>(workers, 1));
    threads.reserve(wanted);
    try {
      for (std::size_t i = 0; i < wanted; ++i) threads.emplace_back(work);
    } catch (const std::system_error&) {
      // Fewer threads than wished for do the same work; without any, this one does.
      if (threads.empty()) work();
    }
  }
  if (stop.stop_requested()) return cancelled_error();
  if (auto error = first.take()) return *std::move(error);
  return base::ok();
}

}  // namespace castool::pull
