// Pulls that callers of the API asked for: one for each model, however many ask.
//
// A pull begins with the first who asks and goes on while anybody watches; when the last one leaves
// it is stopped, which keeps its partials. Each has a thread of its own.
//
// Thread rule: safe from any thread. Watchers may outlive the hub.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "api/running_pull.h"
#include "base/mutex.h"
#include "base/result.h"
#include "pull/puller.h"

namespace castool::api {

// One caller that is interested in a pull. Used by one thread.
class PullWatcher {
 public:
  PullWatcher(std::shared_ptr<RunningPull> pull, std::function<void()> leave)
      : pull_(std::move(pull)), leave_(std::move(leave)) {}
  ~PullWatcher() { leave_(); }
  PullWatcher(const PullWatcher&) = delete;
  PullWatcher& operator=(const PullWatcher&) = delete;

  [[nodiscard]] RunningPull& pull() { return *pull_; }
  // What this watcher has not heard yet; at the latest at `deadline`.
  [[nodiscard]] RunningPull::News news(std::chrono::steady_clock::time_point deadline) {
    return pull_->news(heard_, deadline);
  }

 private:
  const std::shared_ptr<RunningPull> pull_;
  const std::function<void()> leave_;
  std::uint64_t heard_ = 0;
};

class PullHub {
 public:
  // Blocks until the pull is over.
  using Pull = std::function<base::Result<pull::PullOutcome>(const pull::PullRequest&,
                                                             pull::PullEvents&, std::stop_token)>;
  // Told of each end, with no lock held.
  using Ended = std::function<void(const base::Result<pull::PullOutcome>&)>;

  static constexpr std::size_t kMostPulls = 64;      // more are kBusy,
  static constexpr std::size_t kMostWatchers = 768;  // and so are more who watch

  PullHub(Pull pull, Ended ended);
  ~PullHub();  // stop(), and waits for the threads
  PullHub(const PullHub&) = delete;
  PullHub& operator=(const PullHub&) = delete;

  // `key`: what two requests have in common that are one pull. kBusy, kIo when no thread can be
  // begun, or kCancelled after stop().
  [[nodiscard]] base::Result<std::unique_ptr<PullWatcher>> join(const std::string& key,
                                                                const pull::PullRequest& request)
      CASTOOL_EXCLUDES(state_->mutex);
  // Ends all pulls; watchers hear of it. Nothing begins any more.
  void stop() CASTOOL_EXCLUDES(state_->mutex);
  [[nodiscard]] std::size_t running() const CASTOOL_EXCLUDES(state_->mutex);

 private:
  struct Entry {
    std::shared_ptr<RunningPull> pull;
    std::size_t watchers = 0;
    bool ending = false;  // nobody watches it any more
  };
  // Shared with watchers, which may outlive the hub.
  struct State {
    base::Mutex mutex;
    std::size_t watchers CASTOOL_GUARDED_BY(mutex) = 0;
    bool stopped CASTOOL_GUARDED_BY(mutex) = false;
    std::map<std::string, Entry> entries CASTOOL_GUARDED_BY(mutex);
  };
  struct Thread {
    std::shared_ptr<std::atomic<bool>> done;
    std::jthread thread;
  };

  static void leave(State& state, const std::string& key, const RunningPull* pull);
  void work(const std::string& key, const pull::PullRequest& request,
            const std::shared_ptr<RunningPull>& pull, const std::shared_ptr<RunningPull>& before);
  // Threads that are done, to be joined without the lock.
  [[nodiscard]] std::list<Thread> take_ended() CASTOOL_REQUIRES(state_->mutex);

  const Pull pull_;
  const Ended ended_;
  const std::shared_ptr<State> state_;
  std::list<Thread> threads_ CASTOOL_GUARDED_BY(state_->mutex);
};

}  // namespace castool::api
