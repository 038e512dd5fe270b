#include "pull/on_demand_pulls.h"

#include <algorithm>
#include <utility>

#include "base/thread.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Error;
using base::Status;

// An answer of the origin's that will be the same when asked again soon; everything else may be
// better the next time.
bool is_answer(Code code) {
  switch (code) {
    case Code::kNotFound:
    case Code::kUnauthorized:
    case Code::kGated:
    case Code::kBadManifest:
    case Code::kUnsupported:
    case Code::kUsage: return true;
    default: return false;
  }
}

}  // namespace

OnDemandPulls::~OnDemandPulls() {
  std::vector<std::jthread> workers;
  std::map<std::string, Wanted> left;
  {
    const base::MutexLock lock(mutex_);
    ended_ = true;
    workers.swap(workers_);
    changed_.notify_all();
  }
  for (std::jthread& worker : workers) worker.request_stop();
  workers.clear();
  {
    const base::MutexLock lock(mutex_);
    left.swap(wanted_);
  }
  for (const auto& [name, wanted] : left) {
    for (const Done& done : wanted.waiting) done(cancelled_error());
  }
}

void OnDemandPulls::find(const manifest::Source& source, const Done& done) {
  const std::string name = manifest::source_text(source);
  std::optional<Error> refused;
  {
    const base::MutexLock lock(mutex_);
    const auto miss = misses_.find(name);
    if (miss != misses_.end() && clock_.now() < miss->second.until) {
      refused = miss->second.error;
    } else if (ended_) {
      refused = cancelled_error();
    } else if (const auto known = wanted_.find(name); known != wanted_.end()) {
      known->second.waiting.push_back(done);
    } else if (wanted_.size() >= kMostWaiting) {
      refused = base::make_error(Code::kBusy, "too many models are looked for at once");
    } else {
      refused = begin_another();
      if (!refused) {
        Wanted& wanted = wanted_[name];
        wanted.source = source;
        wanted.waiting.push_back(done);
        queue_.push_back(name);
        changed_.notify_one();
      }
    }
  }
  if (refused) done(*std::move(refused));
}

// Begins a worker if all are busy and there may be more; an error only if there is none at all.
std::optional<Error> OnDemandPulls::begin_another() {
  if (idle_ > queue_.size() || workers_.size() >= kWorkers) return std::nullopt;
  auto begun = base::begin_thread([this](const std::stop_token& stop) { work(stop); });
  if (!begun && workers_.empty()) return std::move(begun).error();
  if (begun) workers_.push_back(*std::move(begun));
  return std::nullopt;
}

void OnDemandPulls::work(const std::stop_token& stop) {
  constexpr auto kIdle = std::chrono::minutes(1);
  for (;;) {
    std::string name;
    std::optional<manifest::Source> source;
    {
      const base::MutexLock lock(mutex_);
      ++idle_;
      while (!ended_ && queue_.empty())
        changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kIdle);
      --idle_;
      if (ended_) return;
      name = std::move(queue_.front());
      queue_.pop_front();
      source = wanted_[name].source;
    }
    finish(name, pull_(*source, stop));
  }
}

void OnDemandPulls::finish(const std::string& name, const Status& status) {
  std::vector<Done> waiting;
  {
    const base::MutexLock lock(mutex_);
    if (const auto found = wanted_.find(name); found != wanted_.end()) {
      waiting = std::move(found->second.waiting);
      wanted_.erase(found);
    }
    if (!status && is_answer(status.error().code)) remember(name, status.error());
  }
  for (const Done& done : waiting) done(status);
}

void OnDemandPulls::remember(const std::string& name, const Error& error) {
  const auto now = clock_.now();
  if (misses_.size() >= kMostMisses) {
    std::erase_if(misses_, [now](const auto& miss) { return miss.second.until <= now; });
    if (misses_.size() >= kMostMisses) misses_.clear();
  }
  misses_.insert_or_assign(name, Miss{error, now + clock_.scaled(kMissMemory)});
}

}  // namespace castool::pull
