// Which models were read, for whoever decides what is used least. A model is noted at most once an
// hour, so that opening files costs a look into a table and the store is written to rarely.
//
// Safe from any thread; used() neither waits nor does I/O.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "cas/ref_store.h"

namespace castool::fusefs {

class UseNotes {
 public:
  explicit UseNotes(const base::Clock& clock) : clock_(clock) {}

  // A file of the model of that ref was opened.
  void used(const std::string& name);
  // Writes what was noted into the refs' records. A ref that is gone, or a store that cannot be
  // written, is no failure.
  void write_to(cas::RefStore& refs);

 private:
  const base::Clock& clock_;
  base::Mutex mutex_;
  std::map<std::string, base::Clock::Monotonic> noted_ CASTOOL_GUARDED_BY(mutex_);
  std::set<std::string> waiting_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs
