// A few threads for local work that can take long, so that those that take requests need not do it.
//
// Started when they are needed. Safe from any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace castool::fusefs {

class SideThreads {
 public:
  using Job = std::function<void()>;

  explicit SideThreads(std::size_t most) : most_(most) {}
  ~SideThreads();
  SideThreads(const SideThreads&) = delete;
  SideThreads& operator=(const SideThreads&) = delete;

  // Each job is run: in place after stop(), and where no thread can be begun.
  void post(Job job);
  // Waits until every job has been run. Not to be called by one.
  void stop();

 private:
  void work();

  const std::size_t most_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Job> jobs_ CASTOOL_GUARDED_BY(mutex_);
  std::size_t idle_ CASTOOL_GUARDED_BY(mutex_) = 0;
  bool stopped_ CASTOOL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs
