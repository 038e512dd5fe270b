#include "tests/support/hub/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <system_error>
#include <utility>

#include "tests/support/hub/connection.h"

namespace castool::hub {
namespace {

void check(bool good, const char* what) {
  if (!good) throw std::system_error(errno, std::generic_category(), what);
}

// Binds to `port`, or for 0 to a free one below those that the kernel gives to connections: a
// server that is started again finds its port as it left it.
bool bind_to(int listener, std::uint16_t port, sockaddr_in& address) {
  constexpr int kTries = 100;
  std::random_device chance;
  std::uniform_int_distribution<int> any(10'000, 32'000);
  for (int i = 0; i < kTries; ++i) {
    address.sin_port = htons(port != 0 ? port : static_cast<std::uint16_t>(any(chance)));
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return true;
    if (port != 0 || errno != EADDRINUSE) return false;
  }
  return false;
}

}  // namespace

Server::Server(std::uint16_t port)
    : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  check(listener_.valid() && stop_.valid(), "socket");
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind_to(listener_.get(), port, address), "bind");
  check(::listen(listener_.get(), 1024) == 0, "listen");
  port_ = ntohs(address.sin_port);
}

Server::~Server() {
  const std::uint64_t one = 1;
  // An eventfd takes a first 1 always.
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
}

void Server::start(Handler handler, Limit limit) {
  handler_ = std::move(handler);
  limit_ = std::move(limit);
  acceptor_ = std::jthread([this] { accept_all(); });
}

void Server::accept_all() {
  while (true) {
    pollfd waits[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    if (waits[0].revents == 0) continue;
    workers_.remove_if([](const Worker& worker) { return worker.done.load(); });
    base::UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) open(std::move(socket));
  }
}

void Server::open(base::UniqueFd socket) {
  ++accepted_;
  const std::uint64_t limit = limit_();
  if (limit != 0 && active_ >= limit) {
    ++refused_;
    const linger hard{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    return;
  }
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  peak_ = std::max(peak_.load(), ++active_);
  Worker& worker = workers_.emplace_back();
  worker.thread = std::jthread([this, &worker, id = ++last_id_, fd = socket.release()] {
    converse(base::UniqueFd(fd), id);
    --active_;
    worker.done = true;
  });
}

void Server::converse(base::UniqueFd socket, std::uint64_t id) {
  Connection connection(std::move(socket), stop_.get());
  bool reused = false;
  while (std::optional<Request> request = connection.read_request()) {
    request->reused = std::exchange(reused, true);
    const Answer answer = handler_(*request, id);
    const Connection::Sent sent = connection.write_response(*request, answer.response);
    if (answer.sent) answer.sent(sent.body_bytes);
    if (!sent.open) return;
  }
}

Server::Stats Server::stats() const {
  return {accepted_.load(), refused_.load(), active_.load(), peak_.load()};
}

void Server::reset_stats() {
  accepted_ = 0;
  refused_ = 0;
  peak_ = active_.load();
}

}  // namespace castool::hub
