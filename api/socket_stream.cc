#include "api/socket_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>

namespace castool::api {
namespace {

using std::chrono::milliseconds;

// Whole milliseconds until `deadline`, at least zero.
int left(const base::Clock& clock, base::Clock::Monotonic deadline) {
  const auto rest = std::chrono::ceil<milliseconds>(deadline - clock.now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(rest, 0, std::numeric_limits<int>::max()));
}

// Whether `events` came on `fd` before `deadline`.
bool wait_for(int fd, short events, const base::Clock& clock, base::Clock::Monotonic deadline) {
  for (;;) {
    pollfd wait = {fd, events, 0};
    const int ready = ::poll(&wait, 1, left(clock, deadline));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace

bool SocketStream::wait_for_request(std::chrono::nanoseconds idle) {
  if (begin_ < end_) return true;
  const auto deadline = clock_.now() + clock_.scaled(idle);
  for (;;) {
    std::array<pollfd, 2> waits = {{{socket_, POLLIN, 0}, {ending_fd_, POLLIN, 0}}};
    const int ready = ::poll(waits.data(), waits.size(), left(clock_, deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || waits[1].revents != 0) return false;
    begin_request();
    return fill();
  }
}

void SocketStream::begin_request() {
  deadline_ = clock_.now() + clock_.scaled(limits_.request);
  may_take_ = limits_.head_bytes;
}

void SocketStream::begin_body(std::size_t most) { may_take_ = most; }

bool SocketStream::fill() {
  while (wait_for(socket_, POLLIN, clock_, deadline_)) {
    const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return false;
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
    return true;
  }
  return false;
}

bool SocketStream::is_readable() const {
  return begin_ < end_ || wait_for(socket_, POLLIN, clock_, deadline_);
}

bool SocketStream::is_writable() const {
  return !failed_ &&
         wait_for(socket_, POLLOUT, clock_, clock_.now() + clock_.scaled(limits_.write));
}

bool SocketStream::peer_gone() const {
  pollfd wait = {socket_, POLLRDHUP, 0};
  return ::poll(&wait, 1, 0) > 0 && (wait.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

ssize_t SocketStream::read(char* bytes, std::size_t size) {
  if (may_take_ == 0 || (begin_ == end_ && !fill())) {
    failed_ = true;
    return -1;
  }
  const std::size_t count = std::min({size, end_ - begin_, may_take_});
  std::memcpy(bytes, buffer_.data() + begin_, count);
  begin_ += count;
  may_take_ -= count;
  return static_cast<ssize_t>(count);
}

ssize_t SocketStream::write(const char* bytes, std::size_t size) {
  for (;;) {
    if (!is_writable()) break;
    const ssize_t sent = ::send(socket_, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return sent;
    if (errno != EINTR && errno != EAGAIN) break;
  }
  failed_ = true;
  return -1;
}

void SocketStream::drain() {
  constexpr std::size_t kMost = 64;  // buffers
  deadline_ = clock_.now() + clock_.scaled(milliseconds(200));
  for (std::size_t i = 0; i < kMost && fill(); ++i) {
  }
}

void SocketStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

void SocketStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace castool::api
