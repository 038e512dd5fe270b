// Signals that ask the program to end, turned into a stop token.
//
// Made before any other thread: it blocks the signals in the calling thread, and threads inherit
// that. A signal that was ignored when the program started (nohup, a shell's background job) stays
// ignored. A second SIGINT ends the process at once with 130; partials are kept either way.
#pragma once

#include <csignal>
#include <stop_token>
#include <thread>

#include "base/unique_fd.h"

namespace castool::tools {

// What a hang-up of the terminal means.
enum class HangUp { kStop, kIgnore };

class SignalWatch {
 public:
  explicit SignalWatch(HangUp hang_up);
  ~SignalWatch();  // unblocks the signals again
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
  // As if a signal had come. Any thread.
  void request_stop() { stop_.request_stop(); }

 private:
  void watch();

  std::stop_source stop_;
  sigset_t previous_ = {};
  base::UniqueFd signal_fd_;
  base::UniqueFd end_fd_;
  std::thread thread_;
};

// Lets a write to a closed pipe fail with EPIPE in place of ending the process.
void ignore_broken_pipes();
// Ends the process as a closed pipe would have: quietly, by SIGPIPE.
[[noreturn]] void die_of_broken_pipe();

}  // namespace castool::tools
