#include "tools/output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace castool::tools {

constexpr std::size_t kGatherBytes = 64 << 10;

Output::Output(int out_fd, int error_fd, Buffering buffering)
    : out_fd_(out_fd), error_fd_(error_fd), buffering_(buffering) {}

void Output::line(std::string_view text) {
  gathered_ += text;
  gathered_ += '\n';
  if (buffering_ == Buffering::kLine || gathered_.size() >= kGatherBytes) {
    static_cast<void>(flush());  // remembered in failure_
  }
}

void Output::text(std::string_view text) { gathered_ += text; }

base::Status Output::flush() {
  if (!gathered_.empty() && failure_ == 0 && !reader_gone_) {
    const int failure = write_all(out_fd_, gathered_);
    if (failure == EPIPE) {
      reader_gone_ = true;
      if (on_reader_gone_) on_reader_gone_();
    } else {
      failure_ = failure;
    }
  }
  gathered_.clear();
  if (failure_ == 0) return base::ok();
  base::Error error = base::errno_error(failure_, "write to standard output");
  error.code = base::Code::kIo;
  error.hint.clear();
  return error;
}

void Output::error_line(std::string_view text) {
  // Nobody is left to tell when standard error fails.
  static_cast<void>(write_all(error_fd_, "castool: " + printable(text) + "\n"));
}

std::string printable(std::string_view text) {
  const auto control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F || byte == 0xC2;
  };
  std::string result(text);
  const auto first = std::ranges::find_if(text, control);
  if (first == text.end()) return result;  // as most texts are
  result.resize(static_cast<std::size_t>(first - text.begin()));
  for (std::size_t i = result.size(); i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters too; in UTF-8 they are C2 80 to C2 9F.
    const bool c1 = byte == 0xC2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(text[i + 1]) < 0xA0;
    result += byte < 0x20 || byte == 0x7F || c1 ? '?' : text[i];
    if (c1) ++i;
  }
  return result;
}

int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      // Somebody made the shared terminal or pipe non-blocking.
      pollfd waiting = {fd, POLLOUT, 0};
      static_cast<void>(::poll(&waiting, 1, -1));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace castool::tools
