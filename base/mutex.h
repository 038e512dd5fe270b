// A mutex that clang's thread-safety analysis understands (preset `clang` makes it an error).
//
// House rules: never two at a time, never I/O or a callback under one, every wait has a deadline or
// a stop token.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define CASTOOL_TSA(x) __attribute__((x))
#else
#define CASTOOL_TSA(x)
#endif
#define CASTOOL_GUARDED_BY(m) CASTOOL_TSA(guarded_by(m))
#define CASTOOL_REQUIRES(...) CASTOOL_TSA(requires_capability(__VA_ARGS__))
#define CASTOOL_EXCLUDES(...) CASTOOL_TSA(locks_excluded(__VA_ARGS__))

namespace castool::base {

class CASTOOL_TSA(capability("mutex")) Mutex {
 public:
  void lock() CASTOOL_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() CASTOOL_TSA(release_capability()) { mutex_.unlock(); }
  bool try_lock() CASTOOL_TSA(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

class CASTOOL_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) CASTOOL_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() CASTOOL_TSA(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable over Mutex; the caller holds the mutex around every wait.
class CondVar {
 public:
  // Waits until notified or `deadline`; false on deadline. Wakes spuriously: loop over the
  // condition.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
      CASTOOL_REQUIRES(mutex) {
    return condition_.wait_until(mutex, deadline) == std::cv_status::no_timeout;
  }
  void notify_all() { condition_.notify_all(); }
  void notify_one() { condition_.notify_one(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace castool::base
