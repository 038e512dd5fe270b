#include "fusefs/waiting_lookups.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace castool::fusefs {
namespace {

using base::Code;
using base::Status;
using Deadline = std::chrono::steady_clock::time_point;

// Unreachable never reads as absent; what may not be had is told apart from both.
std::optional<Errno> refusal(const Status& found) {
  if (found || found.error().code == Code::kNotFound) return std::nullopt;
  const Code code = found.error().code;
  if (code == Code::kUnauthorized || code == Code::kGated) return Errno{EACCES};
  return Errno{EIO};
}

}  // namespace

class WaitingLookups::Table {
 public:
  Table(Look look, Gate& gate, std::chrono::nanoseconds longest)
      : look_(std::move(look)), gate_(gate), longest_(longest), thread_([this] { serve(); }) {}

  Number add(NodeId parent, std::string name, Ended ended) {
    const base::MutexLock lock(mutex_);
    const Number number = ++last_;
    Waiting& waiting = waiting_[number];
    waiting.parent = parent;
    waiting.name = std::move(name);
    waiting.ended = std::move(ended);
    waiting.deadline = std::chrono::steady_clock::now() +
                       std::chrono::duration_cast<std::chrono::steady_clock::duration>(longest_);
    if (closed_) waiting.refused = Errno{EIO};
    return number;
  }

  void started(Number number) {
    change(number, [](Waiting& waiting) { waiting.started = true; });
  }
  void interrupted(Number number) {
    change(number, [](Waiting& waiting) { waiting.refused = Errno{EINTR}; });
  }
  void found(Number number, const Status& status) {
    change(number, [&status](Waiting& waiting) {
      if (!waiting.refused) waiting.refused = refusal(status);
      waiting.absent = !status;
      waiting.look = true;
    });
  }
  void look_again() {
    const base::MutexLock lock(mutex_);
    for (auto& [number, waiting] : waiting_) waiting.look = true;
    changed_.notify_all();
  }

  void close() {
    const base::MutexLock lock(mutex_);
    closed_ = true;
    for (auto& [number, waiting] : waiting_) {
      if (!waiting.refused) waiting.refused = Errno{EIO};
      waiting.started = true;
    }
    changed_.notify_all();
    const Number last = last_;
    while (!waiting_.empty() && waiting_.begin()->first <= last)
      changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kIdle);
  }

  void end_thread() {
    std::jthread thread;  // joined after the lock
    const base::MutexLock lock(mutex_);
    over_ = true;
    thread.swap(thread_);
    changed_.notify_all();
  }

 private:
  static constexpr std::chrono::minutes kIdle{1};
  struct Waiting {
    NodeId parent = 0;
    std::string name;
    Ended ended;
    std::chrono::steady_clock::time_point deadline;
    bool started = false;
    bool look = false;    // the tree may have it now
    bool absent = false;  // the finder has said no
    std::optional<Errno> refused;
  };
  // One that may have come to its end. It stays in the table until it has: what is reported
  // meanwhile is not lost.
  struct Due {
    Number number = 0;
    NodeId parent = 0;
    std::string name;
    bool absent = false;
    std::optional<Errno> refused;
  };

  template <class Change>
  void change(Number number, Change apply) {
    const base::MutexLock lock(mutex_);
    const auto found = waiting_.find(number);
    if (found == waiting_.end()) return;
    apply(found->second);
    changed_.notify_all();
  }

  // Waits for one; nothing at the end of all.
  std::vector<Due> take() {
    const base::MutexLock lock(mutex_);
    for (;;) {
      std::vector<Due> due;
      const auto now = std::chrono::steady_clock::now();
      auto next = now + kIdle;
      for (auto& [number, waiting] : waiting_) {
        if (!waiting.started) continue;
        if (now >= waiting.deadline && !waiting.refused) waiting.refused = Errno{EIO};
        next = std::min(next, waiting.deadline);
        if (!waiting.refused && !waiting.look) continue;
        waiting.look = false;
        due.push_back({number, waiting.parent, waiting.name, waiting.absent, waiting.refused});
      }
      if (!due.empty() || over_) return due;
      changed_.wait_until(mutex_, next);
    }
  }

  void serve() {
    for (;;) {
      const std::vector<Due> due = take();
      if (due.empty()) return;
      for (const Due& one : due) settle(one);
    }
  }

  // What is told the kernel and what is counted change together.
  void settle(const Due& due) {
    const Gate::Pass pass(gate_);
    if (due.refused) return end(due.number, *due.refused);
    const auto here = look_(due.parent, due.name);
    if (!here || here->node || due.absent) end(due.number, here);
  }

  void end(Number number, const Answer<Entry>& answer) {
    Ended ended;
    {
      const base::MutexLock lock(mutex_);
      const auto found = waiting_.find(number);
      ended = std::move(found->second.ended);
    }
    ended(answer);
    const base::MutexLock lock(mutex_);
    waiting_.erase(number);
    changed_.notify_all();
  }

  const Look look_;
  Gate& gate_;
  const std::chrono::nanoseconds longest_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool closed_ CASTOOL_GUARDED_BY(mutex_) = false;
  bool over_ CASTOOL_GUARDED_BY(mutex_) = false;
  Number last_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::map<Number, Waiting> waiting_ CASTOOL_GUARDED_BY(mutex_);
  std::jthread thread_ CASTOOL_GUARDED_BY(mutex_);  // last: uses everything above
};

WaitingLookups::WaitingLookups(ModelFinder& finder, Look look, Gate& gate, const base::Clock& clock)
    : finder_(finder),
      table_(std::make_shared<Table>(std::move(look), gate, clock.scaled(kLongest))) {}

WaitingLookups::Number WaitingLookups::add(NodeId parent, std::string name, Ended ended) {
  return table_->add(parent, std::move(name), std::move(ended));
}

void WaitingLookups::start(Number number, const manifest::Source& source) {
  table_->started(number);
  finder_.find(source,
               [table = table_, number](const Status& status) { table->found(number, status); });
}

void WaitingLookups::interrupt(Number number) { table_->interrupted(number); }

void WaitingLookups::tree_changed() { table_->look_again(); }

void WaitingLookups::close() { table_->close(); }

WaitingLookups::~WaitingLookups() {
  close();
  table_->end_thread();
}

}  // namespace castool::fusefs
