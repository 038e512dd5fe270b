#include "api/pull_hub.h"

#include <iterator>
#include <utility>
#include <vector>

#include "base/thread.h"

namespace castool::api {
namespace {

using base::Code;
using base::make_error;
using base::Result;

}  // namespace

PullHub::PullHub(Pull pull, Ended ended)
    : pull_(std::move(pull)), ended_(std::move(ended)), state_(std::make_shared<State>()) {}

PullHub::~PullHub() {
  stop();
  std::list<Thread> threads;
  {
    const base::MutexLock lock(state_->mutex);
    threads.swap(threads_);
  }
  threads.clear();  // joins
}

void PullHub::stop() {
  std::vector<std::shared_ptr<RunningPull>> pulls;
  {
    const base::MutexLock lock(state_->mutex);
    state_->stopped = true;
    for (auto& [key, entry] : state_->entries) {
      entry.ending = true;
      pulls.push_back(entry.pull);
    }
  }
  for (const auto& pull : pulls) pull->stop.request_stop();
}

std::size_t PullHub::running() const {
  const base::MutexLock lock(state_->mutex);
  return state_->entries.size();
}

Result<std::unique_ptr<PullWatcher>> PullHub::join(const std::string& key,
                                                   const pull::PullRequest& request) {
  std::list<Thread> ended;  // joined after the lock is released
  const base::MutexLock lock(state_->mutex);
  if (state_->stopped) return make_error(Code::kCancelled, "the server is ending");
  ended = take_ended();
  if (state_->watchers >= kMostWatchers) {
    return make_error(Code::kBusy, "too many callers wait for pulls");
  }
  const auto found = state_->entries.find(key);
  // One that nobody wanted any more ends first, since both would want its partials.
  std::shared_ptr<RunningPull> before;
  if (found != state_->entries.end() && found->second.ending) {
    before = found->second.pull;
  }
  if (found == state_->entries.end() || before != nullptr) {
    if (threads_.size() >= kMostPulls) {
      return make_error(Code::kBusy, "too many models are pulled at once");
    }
    Entry entry = {std::make_shared<RunningPull>()};
    const auto done = std::make_shared<std::atomic<bool>>(false);
    CASTOOL_ASSIGN(std::jthread thread,
                   base::begin_thread([this, key, request, before, done, pull = entry.pull] {
                     work(key, request, pull, before);
                     done->store(true);
                   }));
    threads_.push_back({done, std::move(thread)});
    state_->entries.insert_or_assign(key, std::move(entry));
  }
  Entry& entry = state_->entries[key];
  ++entry.watchers;
  ++state_->watchers;
  return std::make_unique<PullWatcher>(
      entry.pull, [state = state_, key, pull = entry.pull.get()] { leave(*state, key, pull); });
}

void PullHub::leave(State& state, const std::string& key, const RunningPull* pull) {
  std::shared_ptr<RunningPull> unwanted;
  {
    const base::MutexLock lock(state.mutex);
    --state.watchers;
    const auto found = state.entries.find(key);
    // Over already, or followed by another one.
    if (found == state.entries.end() || found->second.pull.get() != pull) return;
    if (--found->second.watchers > 0) return;
    found->second.ending = true;
    unwanted = found->second.pull;
  }
  unwanted->stop.request_stop();
}

void PullHub::work(const std::string& key, const pull::PullRequest& request,
                   const std::shared_ptr<RunningPull>& pull,
                   const std::shared_ptr<RunningPull>& before) {
  constexpr auto kLook = std::chrono::milliseconds(100);
  while (before != nullptr && !pull->stop.stop_requested() &&
         !before->wait_ended(std::chrono::steady_clock::now() + kLook)) {
  }
  const auto outcome = pull_(request, *pull, pull->stop.get_token());
  ended_(outcome);
  {
    const base::MutexLock lock(state_->mutex);
    const auto found = state_->entries.find(key);
    if (found != state_->entries.end() && found->second.pull == pull) state_->entries.erase(found);
  }
  if (outcome) pull->on_status("success");
  RunningPull::End end;
  if (outcome) end.outcome = *outcome;
  if (!outcome) end.error = outcome.error();
  pull->finish(std::move(end));
}

std::list<PullHub::Thread> PullHub::take_ended() {
  std::list<Thread> ended;
  for (auto thread = threads_.begin(); thread != threads_.end();) {
    const auto next = std::next(thread);
    if (thread->done->load()) ended.splice(ended.end(), threads_, thread);
    thread = next;
  }
  return ended;
}

}  // namespace castool::api
