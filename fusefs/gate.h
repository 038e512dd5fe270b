// Lets calls from foreign threads into an object that will be destroyed: once closed, nobody gets
// in and nobody is left inside. Whoever may call holds the gate by a shared_ptr.
#pragma once

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
    while (inside_ > 0)
      changed_.wait_until(mutex_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
  }

 private:
  bool enter() {
    const base::MutexLock lock(mutex_);
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
  std::uint64_t inside_ CASTOOL_GUARDED_BY(mutex_) = 0;
};

}  // namespace castool::fusefs
