// Look-ups of models that are not here: each waits until its model is shown, or for so long that
// whoever asked would think the mount dead.
//
// A look-up is added, then started; between the two it may be interrupted already. It ends exactly
// once, on a thread of this value's own: when the tree has the name, when the finder says that
// there is no such model, when it was interrupted, or after kLongest, and then the search goes on.
//
// Thread rule: safe from any thread. `Ended` is called without a lock held.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "fusefs/answer.h"
#include "fusefs/entry.h"
#include "fusefs/gate.h"
#include "manifest/source.h"

namespace castool::fusefs {

// Who brings models here: the seam to whatever pulls them. Outlives the mount; safe from any
// thread.
class ModelFinder {
 public:
  // ok: the model's ref is there. kNotFound: there is no such model.
  using Done = std::function<void(const base::Status&)>;
  virtual ~ModelFinder() = default;
  // Takes local work only. Calls `done` once, from within or from another thread, no lock held.
  virtual void find(const manifest::Source& source, Done done) = 0;
};

class WaitingLookups {
 public:
  // SPEC: an answer within 10 s.
  static constexpr std::chrono::milliseconds kLongest{9500};

  // What is at the name in the tree as it is now; counts a look-up when there is something.
  using Look = std::function<Answer<Entry>(NodeId parent, const std::string& name)>;
  using Ended = std::function<void(const Answer<Entry>&)>;
  using Number = std::uintptr_t;  // fits into what libfuse keeps for an interrupt; never 0

  // `finder`, `gate` and `clock` outlive it. Each passes the gate once it has ended.
  WaitingLookups(ModelFinder& finder, Look look, Gate& gate, const base::Clock& clock);
  ~WaitingLookups();
  WaitingLookups(const WaitingLookups&) = delete;
  WaitingLookups& operator=(const WaitingLookups&) = delete;

  [[nodiscard]] Number add(NodeId parent, std::string name, Ended ended);
  void start(Number number, const manifest::Source& source);
  void interrupt(Number number);
  // Another tree is shown.
  void tree_changed();
  // Ends all with EIO before it returns, and every one that is added later once it is started.
  void close();

 private:
  class Table;
  ModelFinder& finder_;
  const std::shared_ptr<Table> table_;  // also of the searches under way
};

}  // namespace castool::fusefs
