// A socket as cpp-httplib reads and writes it, with bounds on bytes and time.
//
// Used by one thread. Reading ends when a request has taken too long or is too big, writing when
// the peer takes nothing for too long.
#pragma once

#include <array>
#include <chrono>
#include <string>

#include <httplib.h>

#include "api/http_connection.h"
#include "base/clock.h"

namespace castool::api {

class SocketStream final : public httplib::Stream {
 public:
  // Both descriptors stay the caller's.
  SocketStream(int socket, int ending_fd, const ConnectionLimits& limits, const base::Clock& clock)
      : socket_(socket), ending_fd_(ending_fd), limits_(limits), clock_(clock) {}

  // True when there is something to read; false after `idle`, when the peer closed, or when the
  // server ends.
  [[nodiscard]] bool wait_for_request(std::chrono::nanoseconds idle);
  // The bounds of a request count from here.
  void begin_request();
  // Its head has been read; so many bytes more may be.
  void begin_body(std::size_t most);
  // A read or write was cut off, so that nothing more can be told apart.
  [[nodiscard]] bool failed() const { return failed_; }
  // The peer closed its side, or all of it.
  [[nodiscard]] bool peer_gone() const;
  // Reads what the peer still has to say, for a moment.
  void drain();

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* bytes, std::size_t size) override;
  ssize_t write(const char* bytes, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  [[nodiscard]] bool fill();

  const int socket_;
  const int ending_fd_;
  const ConnectionLimits limits_;
  const base::Clock& clock_;
  std::array<char, 16u << 10> buffer_ = {};
  std::size_t begin_ = 0, end_ = 0;  // of what is in buffer_
  std::size_t may_take_ = 0;         // bytes more of this request
  base::Clock::Monotonic deadline_;
  bool failed_ = false;
};

}  // namespace castool::api
