#include "api/running_pull.h"

#include <algorithm>

namespace castool::api {

void RunningPull::on_status(const std::string& text) {
  const base::MutexLock lock(mutex_);
  last_status_ = ++last_;
  events_[last_status_] = {text, {}, 0, 0};
  changed_.notify_all();
}

void RunningPull::on_progress(const std::string& label, const std::string& digest,
                              std::uint64_t total, std::uint64_t completed) {
  const base::MutexLock lock(mutex_);
  const bool resolves = !is_resolved();
  std::uint64_t& number = layers_[label + ' ' + digest];
  PullEvent event = {label, digest, total, std::min(completed, total)};
  if (number > 0) {
    event.completed = std::max(event.completed, events_[number].completed);
    events_.erase(number);
    active_.erase(number);
  }
  number = ++last_;
  if (event.completed > 0 && event.completed < total) active_.insert(number);
  events_[number] = std::move(event);
  // Watchers look in time of their own; only who waits for the manifest is woken.
  if (resolves) changed_.notify_all();
}

void RunningPull::finish(End end) {
  const base::MutexLock lock(mutex_);
  end_ = std::move(end);
  changed_.notify_all();
}

bool RunningPull::wait_resolved(std::chrono::steady_clock::time_point deadline) {
  const base::MutexLock lock(mutex_);
  while (!is_resolved() && changed_.wait_until(mutex_, deadline)) {
  }
  return is_resolved();
}

bool RunningPull::wait_ended(std::chrono::steady_clock::time_point deadline) {
  const base::MutexLock lock(mutex_);
  while (!end_ && changed_.wait_until(mutex_, deadline)) {
  }
  return end_.has_value();
}

RunningPull::News RunningPull::news(std::uint64_t& heard,
                                    std::chrono::steady_clock::time_point deadline) {
  const base::MutexLock lock(mutex_);
  while (!end_ && last_status_ <= heard && changed_.wait_until(mutex_, deadline)) {
  }
  News news;
  for (auto active = active_.begin(); active != active_.end() && *active <= heard; ++active) {
    if (!end_) news.events.push_back(events_[*active]);
  }
  for (auto event = events_.upper_bound(heard); event != events_.end(); ++event) {
    news.events.push_back(event->second);
  }
  heard = last_;
  news.end = end_;
  return news;
}

std::optional<RunningPull::End> RunningPull::end() {
  const base::MutexLock lock(mutex_);
  return end_;
}

std::size_t RunningPull::events() {
  const base::MutexLock lock(mutex_);
  return events_.size();
}

}  // namespace castool::api
