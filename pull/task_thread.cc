#include "pull/task_thread.h"

#include <chrono>
#include <utility>

namespace castool::pull {
namespace {

constexpr auto kIdle = std::chrono::minutes(1);

}  // namespace

void TaskThread::post(Task task) {
  const base::MutexLock lock(mutex_);
  if (finished_) return;
  tasks_.push_back(std::move(task));
  changed_.notify_all();
}

void TaskThread::finish() {
  std::thread thread;
  {
    const base::MutexLock lock(mutex_);
    finished_ = true;
    thread = std::move(thread_);
    changed_.notify_all();
  }
  if (thread.joinable()) thread.join();
}

void TaskThread::run() {
  for (;;) {
    Task task;
    {
      const base::MutexLock lock(mutex_);
      while (tasks_.empty() && !finished_) {
        changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kIdle);
      }
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace castool::pull
