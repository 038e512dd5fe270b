#include "fusefs/side_threads.h"

#include <utility>

#include "base/thread.h"

namespace castool::fusefs {

SideThreads::~SideThreads() { stop(); }

void SideThreads::post(Job job) {
  {
    const base::MutexLock lock(mutex_);
    if (!stopped_ && jobs_.size() >= idle_ && threads_.size() < most_) {
      auto begun = base::begin_thread([this] { work(); });
      if (begun) threads_.push_back(*std::move(begun));
    }
    if (!stopped_ && !threads_.empty()) {
      jobs_.push_back(std::move(job));
      changed_.notify_one();
      return;
    }
  }
  job();
}

void SideThreads::stop() {
  std::vector<std::jthread> ending;  // joined after the lock
  const base::MutexLock lock(mutex_);
  stopped_ = true;
  ending.swap(threads_);
  changed_.notify_all();
}

void SideThreads::work() {
  constexpr std::chrono::minutes kIdle{1};
  for (;;) {
    Job job;
    {
      const base::MutexLock lock(mutex_);
      ++idle_;
      while (jobs_.empty() && !stopped_)
        changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kIdle);
      --idle_;
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace castool::fusefs
