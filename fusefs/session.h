// The connection to the kernel: libfuse's low-level session over an open /dev/fuse, served by
// threads of its own. The session*.cc files are the only ones that know libfuse; they translate and
// decide nothing.
//
// Thread rule: every member is safe from any thread. Requests are answered by the threads that took
// them, with local work only; reads of what is not there yet by whoever brings it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "fusefs/gate.h"
#include "fusefs/handover_state.h"
#include "fusefs/model_fs.h"
#include "fusefs/notifier.h"
#include "fusefs/unanswered_requests.h"
#include "fusefs/waiting_lookups.h"

struct fuse_buf;
struct fuse_session;

namespace castool::fusefs {

// What the operations are given with each request.
struct SessionContext {
  ModelFs* fs = nullptr;
  WaitingLookups* lookups = nullptr;
  base::Log* log = nullptr;
  std::uint32_t stack_depth = 1;  // of the file systems below, for native files
  // Of INIT: its number while it is answered, and what was said, which is complete before any other
  // request is taken (session_io.h).
  std::atomic<std::uint64_t> init{0};
  std::string init_request, init_reply;
  bool repeats_init = false;        // the kernel has its reply
  std::atomic<bool> silent{false};  // another process answers from now on
  UnansweredRequests requests;
  // With so many reads that wait, the kernel's read-ahead is refused: it would soon let everybody
  // wait.
  std::atomic<std::size_t> most_waiting{std::numeric_limits<std::size_t>::max()};
};

class Session {
 public:
  struct Parts {
    ModelFs& fs;
    Notifier& notifier;
    base::Log& log;
    base::Clock& clock;
    std::uint32_t stack_depth = 1;      // native_files.h
    WaitingLookups* lookups = nullptr;  // null where no model is brought here on demand
  };
  // Starts to serve, and the notifier to send. The parts outlive the session.
  [[nodiscard]] static base::Result<std::unique_ptr<Session>> serve(base::UniqueFd device,
                                                                    const Parts& parts);
  // The same for a connection that another process has served: begin() starts, once that one has
  // stopped. Until then the session does nothing with it, also when it is destroyed.
  [[nodiscard]] static base::Result<std::unique_ptr<Session>> prepare(
      base::UniqueFd device, const Parts& parts, const ConnectionState& connection);
  [[nodiscard]] base::Status begin(const ConnectionState& connection);
  // Stops and closes the connection: what is still open on a detached mount gets ENOTCONN.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Waits until the kernel ended the connection (unmounted or aborted) or `stop` is requested; true
  // for the former.
  bool wait_ended(std::stop_token stop);
  // Whether the kernel has ended it, noticed by wait_ended() or not.
  [[nodiscard]] bool is_disconnected() const;
  // What the kernel lets be unanswered of the requests that nobody waits for directly.
  void set_max_background(std::uint32_t most);

  // Handing over. Between a pause() that succeeded and resume() or leave() no request is taken,
  // none is answered, and nothing of the parts changes. False, and nothing is paused, when
  // `deadline` came before what is under way ended.
  [[nodiscard]] bool pause(std::chrono::steady_clock::time_point deadline);
  void resume();
  [[nodiscard]] ConnectionState connection() const;  // of a paused one
  // From here on the connection is another process's: nothing is taken from it and nothing said to
  // it any more, and wait_ended() returns.
  void leave();

  // Answers what has come in and ends the threads; bounded even while requests keep coming. Reads
  // that wait for their bytes get a little time for it, then EIO.
  void stop();

 private:
  struct Destroy {
    void operator()(fuse_session* session) const noexcept;
  };

  explicit Session(const Parts& parts);
  static base::Result<std::unique_ptr<Session>> make(base::UniqueFd device, const Parts& parts);
  base::Status start_threads();
  void work();
  int take_request(fuse_buf& buffer);
  bool wait_for_request(int epoll);
  void end_threads();
  void end();

  const Parts parts_;
  SessionContext context_;
  std::unique_ptr<fuse_session, Destroy> session_;
  int device_ = -1;         // owned by session_
  Gate taking_;             // passed by who takes a request and handles it
  base::UniqueFd stopped_;  // eventfd: readable once the threads shall end
  std::atomic<bool> stopping_{false};
  bool stopped_once_ = false;  // of the thread that owns this
  std::vector<std::jthread> threads_;

  base::Mutex mutex_;
  base::CondVar changed_;
  bool ended_ CASTOOL_GUARDED_BY(mutex_) = false;
};

}  // namespace castool::fusefs
