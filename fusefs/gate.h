// Lets calls from foreign threads into an object that will be destroyed: once closed, nobody gets
// in and nobody is left inside. Whoever may call holds the gate by a shared_ptr. For a while it can
// also be held: nobody is inside then either, and those who come wait.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/mutex.h"

namespace castool::fusefs {

class Gate {
 public:
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(gate), inside_(gate.enter()) {}
    ~Pass() {
      if (inside_) gate_.leave();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    [[nodiscard]] explicit operator bool() const { return inside_; }

   private:
    Gate& gate_;
    const bool inside_;
  };

  // Waits for those inside, who take local work only. Not to be called from inside.
  void close() {
    const base::MutexLock lock(mutex_);
    open_ = false;
    changed_.notify_all();
    while (inside_ > 0)
      changed_.wait_until(mutex_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
  }

  // Waits for those inside; false, and nothing is held, when `deadline` came first. Not to be
  // called from inside.
  [[nodiscard]] bool hold(std::chrono::steady_clock::time_point deadline) {
    const base::MutexLock lock(mutex_);
    held_ = true;
    while (inside_ > 0) {
      if (changed_.wait_until(mutex_, deadline) || inside_ == 0) continue;
      held_ = false;
      changed_.notify_all();
      return false;
    }
    return true;
  }
  void release() {
    const base::MutexLock lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }

 private:
  bool enter() {
    const base::MutexLock lock(mutex_);
    while (held_ && open_)
      changed_.wait_until(mutex_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
    if (open_) ++inside_;
    return open_;
  }
  void leave() {
    const base::MutexLock lock(mutex_);
    if (--inside_ == 0) changed_.notify_all();
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  bool open_ CASTOOL_GUARDED_BY(mutex_) = true;
  bool held_ CASTOOL_GUARDED_BY(mutex_) = false;
  std::uint64_t inside_ CASTOOL_GUARDED_BY(mutex_) = 0;
};

}  // namespace castool::fusefs
