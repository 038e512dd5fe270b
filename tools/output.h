// Results on standard output and errors on standard error, with their own failures looked after.
//
// Lines are gathered and written whole; a line that cannot be written (full disk behind a redirect)
// is an error of the run (kIo), and a reader that went away (EPIPE) ends it quietly: see
// reader_gone(). SIGPIPE has to be ignored. One thread at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::tools {

enum class Buffering {
  kWhole,  // until flush(): tables and lists
  kLine,   // each line at once: events
};

class Output {
 public:
  Output(int out_fd, int error_fd, Buffering buffering);

  // One line of results; the newline is added.
  void line(std::string_view text);
  void text(std::string_view text);
  // Writes what is gathered; the first error of this or an earlier write, EPIPE excepted.
  [[nodiscard]] base::Status flush();
  // Whoever read standard output has closed it; nothing more is written there.
  [[nodiscard]] bool reader_gone() const { return reader_gone_; }
  // Called once, when the reader turns out to be gone: a long job has no reason to go on.
  void on_reader_gone(std::function<void()> callback) { on_reader_gone_ = std::move(callback); }

  // "castool: text" on standard error, control characters made harmless.
  void error_line(std::string_view text);

 private:
  int out_fd_;
  int error_fd_;
  Buffering buffering_;
  std::string gathered_;
  int failure_ = 0;  // errno of the first failed write
  bool reader_gone_ = false;
  std::function<void()> on_reader_gone_;
};

// `text` with control characters replaced by '?', so that a name from far away cannot steer a
// terminal or forge a line.
[[nodiscard]] std::string printable(std::string_view text);

// All of `text` to `fd`, EINTR and short writes seen to; the errno of the failure or 0.
[[nodiscard]] int write_all(int fd, std::string_view text);

}  // namespace castool::tools
