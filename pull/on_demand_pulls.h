// Models that somebody looks for and that are not here (mount --on-demand): each is pulled so far
// that it can be shown, for any number of askers once.
//
// What the origin answers, and is not a model, is remembered for a minute: file systems are asked
// for the same missing name many times. That nobody answered is not remembered.
//
// Thread rule: safe from any thread. A Done is called exactly once, from a thread of this value's
// own or from within find(), with no lock held; the destructor stops what runs and calls those
// that are left with kCancelled.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "manifest/source.h"

namespace castool::pull {

class OnDemandPulls {
 public:
  using Done = std::function<void(const base::Status&)>;
  // Pulls a model until its ref is there; blocks.
  using Pull = std::function<base::Status(const manifest::Source&, std::stop_token)>;

  static constexpr std::size_t kWorkers = 4;
  static constexpr std::size_t kMostWaiting = 1000;  // models; more are kBusy
  static constexpr std::chrono::seconds kMissMemory{60};
  static constexpr std::size_t kMostMisses = 10'000;

  OnDemandPulls(Pull pull, base::Clock& clock) : pull_(std::move(pull)), clock_(clock) {}
  ~OnDemandPulls();
  OnDemandPulls(const OnDemandPulls&) = delete;
  OnDemandPulls& operator=(const OnDemandPulls&) = delete;

  // ok: its ref is there. kNotFound, kUnauthorized, ...: as pulling it says.
  void find(const manifest::Source& source, const Done& done) CASTOOL_EXCLUDES(mutex_);

 private:
  struct Miss {
    base::Error error;
    base::Clock::Monotonic until;
  };
  struct Wanted {
    manifest::Source source;
    std::vector<Done> waiting;
  };

  [[nodiscard]] std::optional<base::Error> begin_another() CASTOOL_REQUIRES(mutex_);
  void work(const std::stop_token& stop) CASTOOL_EXCLUDES(mutex_);
  void finish(const std::string& name, const base::Status& status) CASTOOL_EXCLUDES(mutex_);
  void remember(const std::string& name, const base::Error& error) CASTOOL_REQUIRES(mutex_);

  const Pull pull_;
  base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool ended_ CASTOOL_GUARDED_BY(mutex_) = false;
  std::size_t idle_ CASTOOL_GUARDED_BY(mutex_) = 0;  // workers that wait for something to do
  std::map<std::string, Wanted> wanted_ CASTOOL_GUARDED_BY(mutex_);  // by the source as text
  std::deque<std::string> queue_ CASTOOL_GUARDED_BY(mutex_);         // of wanted_, not begun yet
  std::map<std::string, Miss> misses_ CASTOOL_GUARDED_BY(mutex_);
  std::vector<std::jthread> workers_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::pull
