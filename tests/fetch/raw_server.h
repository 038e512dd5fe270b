// A server on a loopback socket that says exactly what a test tells it to, byte by byte.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"

namespace castool::fetch {

// One accepted connection, in a handler.
class RawConnection {
 public:
  RawConnection(int fd, const std::stop_token& stop) : fd_(fd), stop_(stop) {}

  // The next request's head, or an empty string when the client went away or the test is over.
  [[nodiscard]] std::string read_request() {
    while (buffer_.find("\r\n\r\n") == std::string::npos) {
      if (!wait_for(POLLIN)) return {};
      char bytes[4096];
      const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0) return {};
      buffer_.append(bytes, static_cast<std::size_t>(got));
    }
    const std::size_t end = buffer_.find("\r\n\r\n") + 4;
    std::string request = buffer_.substr(0, end);
    buffer_.erase(0, end);
    return request;
  }
  bool send(const std::string& text) {
    for (std::size_t sent = 0; sent < text.size();) {
      if (!wait_for(POLLOUT)) return false;
      const ssize_t put = ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (put <= 0) return false;
      sent += static_cast<std::size_t>(put);
    }
    return true;
  }
  // Says nothing until the client leaves or the test is over.
  void hang() {
    while (!read_request().empty()) {
    }
  }
  // Makes closing the socket a reset instead of an end.
  void reset_on_close() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

 private:
  bool wait_for(short event) {
    while (!stop_.stop_requested()) {
      pollfd waiting{fd_, event, 0};
      if (::poll(&waiting, 1, 50) > 0) return true;
    }
    return false;
  }

  int fd_;
  const std::stop_token& stop_;
  std::string buffer_;
};

class RawServer {
 public:
  using Handler = std::function<void(RawConnection&)>;

  explicit RawServer(Handler handler)
      : handler_(std::move(handler)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), 64) != 0 ||
        ::getsockname(listener_.get(), generic, &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
  }

  [[nodiscard]] std::string url(const std::string& path = "/x") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void accept_all(const std::stop_token& stop) {
    std::vector<std::jthread> workers;
    while (!stop.stop_requested()) {
      pollfd waiting{listener_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      workers.emplace_back([this, fd, &stop] {
        const base::UniqueFd owned(fd);
        RawConnection connection(fd, stop);
        handler_(connection);
      });
    }
  }

  const Handler handler_;
  base::UniqueFd listener_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::jthread acceptor_;
};

}  // namespace castool::fetch
