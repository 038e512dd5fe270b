// Compiled twice by clang: as it is it must compile, with CASTOOL_CANARY it must not.
#include "base/mutex.h"

class Counter {
 public:
  void add() {
    const castool::base::MutexLock lock(mutex_);
    ++value_;
  }
#ifdef CASTOOL_CANARY
  void add_unlocked() { ++value_; }
#endif

 private:
  castool::base::Mutex mutex_;
  int value_ CASTOOL_GUARDED_BY(mutex_) = 0;
};

void use(Counter& counter) { counter.add(); }
