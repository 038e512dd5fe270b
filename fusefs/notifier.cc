#include "fusefs/notifier.h"

#include <utility>

namespace castool::fusefs {
namespace {

constexpr std::chrono::minutes kIdle{1};

base::Status not_sent() {
  return base::make_error(base::Code::kCancelled, "the mount comes to its end");
}

}  // namespace

Notifier::Notifier(base::Clock& clock, base::Log& log, Abort abort)
    : clock_(clock), log_(log), abort_(std::move(abort)) {}

Notifier::~Notifier() { stop(); }

void Notifier::start(Send send) {
  {
    const base::MutexLock lock(mutex_);
    stopped_ = false;
  }
  sender_ = std::jthread([this, send = std::move(send)] { send_all(send); });
  watchdog_ = std::jthread([this] { watch_over(); });
}

void Notifier::stop() {
  {
    const base::MutexLock lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  if (!sender_.joinable()) return;
  sender_.join();
  {
    const base::MutexLock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  watchdog_.join();
  while (auto job = next()) job->then(not_sent());
}

void Notifier::drop_pages(NodeId id, Then then) {
  {
    const base::MutexLock lock(mutex_);
    if (!stopped_) {
      jobs_.push_back({id, std::move(then)});
      changed_.notify_all();
      return;
    }
  }
  then(not_sent());
}

bool Notifier::hold(base::Clock::Monotonic deadline) {
  const base::MutexLock lock(mutex_);
  held_ = true;
  while (due_) {
    if (changed_.wait_until(mutex_, deadline) || !due_) continue;
    held_ = false;
    changed_.notify_all();
    return false;
  }
  return true;
}

void Notifier::release() {
  const base::MutexLock lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

std::optional<Notifier::Job> Notifier::next() {
  const base::MutexLock lock(mutex_);
  if (jobs_.empty()) return std::nullopt;
  Job job = std::move(jobs_.front());
  jobs_.pop_front();
  return job;
}

void Notifier::send_all(const Send& send) {
  for (;;) {
    Job job;
    {
      const base::MutexLock lock(mutex_);
      while ((jobs_.empty() || held_) && !stopped_)
        changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kIdle);
      if (stopped_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      due_ = std::chrono::steady_clock::now() +
             std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                 clock_.scaled(kNotificationTime));
      changed_.notify_all();
    }
    const base::Status sent = send(job.id);
    {
      const base::MutexLock lock(mutex_);
      due_.reset();
      changed_.notify_all();
    }
    if (!sent) log_.warn("cannot make the kernel drop pages: {}", sent.error().text());
    job.then(sent);
  }
}

void Notifier::watch_over() {
  for (;;) {
    {
      const base::MutexLock lock(mutex_);
      if (ended_) return;
      const auto now = std::chrono::steady_clock::now();
      if (!due_ || now < *due_) {
        changed_.wait_until(mutex_, due_ ? *due_ : now + kIdle);
        continue;
      }
      due_.reset();
    }
    log_.error("the kernel does not take in a notification: ending the mount's connection");
    abort_();
  }
}

}  // namespace castool::fusefs
