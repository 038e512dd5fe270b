// Runs what it is given, one after the other, on a thread of its own.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace castool::pull {

// Safe from any thread, its own tasks included.
class TaskThread {
 public:
  using Task = std::function<void()>;

  TaskThread() : thread_([this] { run(); }) {}
  ~TaskThread() { finish(); }
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  // Never waits. After finish() the task is dropped.
  void post(Task task) CASTOOL_EXCLUDES(mutex_);
  // Runs what was posted, then ends the thread. Not from a task.
  void finish() CASTOOL_EXCLUDES(mutex_);

 private:
  void run() CASTOOL_EXCLUDES(mutex_);

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Task> tasks_ CASTOOL_GUARDED_BY(mutex_);
  bool finished_ CASTOOL_GUARDED_BY(mutex_) = false;
  std::thread thread_ CASTOOL_GUARDED_BY(mutex_);  // last: uses everything above
};

}  // namespace castool::pull
