// Tells the kernel things that it may take long to take in.
//
// A notification waits inside the kernel for reads of the node that are unanswered, where no signal
// reaches it. So it is sent by a thread of its own that holds no lock; and if one does not come
// back, a second thread ends the whole connection, which frees everybody, rather than leave a
// process that cannot be killed.
//
// Safe from any thread.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "fusefs/page_dropper.h"

namespace castool::fusefs {

inline constexpr std::chrono::seconds kNotificationTime{10};

class Notifier final : public PageDropper {
 public:
  // Blocks until the kernel has done it.
  using Send = std::function<base::Status(NodeId)>;
  using Abort = std::function<void()>;

  // `abort` ends the connection, which makes a Send that hangs return.
  Notifier(base::Clock& clock, base::Log& log, Abort abort);
  ~Notifier() override;

  // Nothing is sent before start(), nor after stop(): what is left then gets kCancelled.
  void start(Send send);
  void stop();

  void drop_pages(NodeId id, Then then) override;

  // Nothing is sent between the two; false, and nothing held, when `deadline` came before the one
  // under way was done.
  [[nodiscard]] bool hold(base::Clock::Monotonic deadline);
  void release();

 private:
  struct Job {
    NodeId id = 0;
    Then then;
  };
  void send_all(const Send& send);
  void watch_over();
  std::optional<Job> next();

  base::Clock& clock_;
  base::Log& log_;
  const Abort abort_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Job> jobs_ CASTOOL_GUARDED_BY(mutex_);
  bool stopped_ CASTOOL_GUARDED_BY(mutex_) = true;
  bool held_ CASTOOL_GUARDED_BY(mutex_) = false;
  bool ended_ CASTOOL_GUARDED_BY(mutex_) = false;  // the sender has
  std::optional<base::Clock::Monotonic> due_ CASTOOL_GUARDED_BY(mutex_);
  std::jthread sender_;
  std::jthread watchdog_;
};

}  // namespace castool::fusefs
