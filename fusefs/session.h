// The connection to the kernel: libfuse's low-level session over an open /dev/fuse, served by
// threads of its own. The session*.cc files are the only ones that know libfuse; they translate and
// decide nothing.
//
// Thread rule: every member is safe from any thread. Requests are answered by the threads that took
// them: every answer takes local work only.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "fusefs/model_fs.h"

struct fuse_session;

namespace castool::fusefs {

// What the operations are given with each request.
struct SessionContext {
  ModelFs* fs = nullptr;
  base::Log* log = nullptr;
  std::uint32_t stack_depth = 1;       // of the file systems below, for native files
  std::atomic<std::uint64_t> init{0};  // the number of the INIT request, while it is answered
};

class Session {
 public:
  // Starts to serve. `fs` and `log` outlive the session. `stack_depth`: native_files.h.
  [[nodiscard]] static base::Result<std::unique_ptr<Session>> serve(base::UniqueFd device,
                                                                    ModelFs& fs, base::Log& log,
                                                                    std::uint32_t stack_depth);
  // Stops and closes the connection: what is still open on a detached mount gets ENOTCONN.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Waits until the kernel ended the connection (unmounted or aborted) or `stop` is requested; true
  // for the former.
  bool wait_ended(std::stop_token stop);
  // Answers what has come in and ends the threads; bounded even while requests keep coming.
  void stop();

 private:
  struct Destroy {
    void operator()(fuse_session* session) const noexcept;
  };

  Session(ModelFs& fs, base::Log& log, std::uint32_t stack_depth)
      : context_{&fs, &log, stack_depth, {}} {}
  base::Status start_threads();
  void work();
  bool wait_for_request(int epoll);
  void end();

  SessionContext context_;
  std::unique_ptr<fuse_session, Destroy> session_;
  int device_ = -1;         // owned by session_
  base::UniqueFd stopped_;  // eventfd: readable once the threads shall end
  std::atomic<bool> stopping_{false};
  std::vector<std::jthread> threads_;

  base::Mutex mutex_;
  base::CondVar changed_;
  bool ended_ CASTOOL_GUARDED_BY(mutex_) = false;
};

}  // namespace castool::fusefs
