#include "api/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/thread.h"

namespace castool::api {
namespace {

constexpr int kLookMs = 50;  // while there are too many connections, or no descriptors

void wait_readable(int fd, int milliseconds) {
  pollfd wait = {fd, POLLIN, 0};
  static_cast<void>(::poll(&wait, 1, milliseconds));
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::start(std::vector<Listener> listeners,
                                                    Handler handler, base::Clock& clock,
                                                    base::Log& log) {
  base::UniqueFd ending(::eventfd(0, EFD_CLOEXEC));
  if (!ending) return base::errno_error(errno, "eventfd");
  std::unique_ptr<Server> server(
      new Server(std::move(listeners), std::move(handler), std::move(ending), clock, log));
  server->acceptor_ = std::jthread([raw = server.get()] { raw->accept_all(); });
  return server;
}

Server::Server(std::vector<Listener> listeners, Handler handler, base::UniqueFd ending,
               base::Clock& clock, base::Log& log)
    : handler_(std::move(handler)),
      ending_(std::move(ending)),
      clock_(clock),
      log_(log),
      listeners_(std::move(listeners)) {}

Server::~Server() { drain(); }

void Server::accept_all() {
  std::vector<pollfd> waits;
  for (const Listener& listener : listeners_) waits.push_back({listener.fd(), POLLIN, 0});
  waits.push_back({ending_.get(), POLLIN, 0});
  while (!ends_) {
    reap();
    if (connections_.size() >= kMostConnections) {
      wait_readable(ending_.get(), kLookMs);
      continue;
    }
    // Wakes now and then to join threads that are done.
    if (::poll(waits.data(), waits.size(), 1000) < 0 && errno != EINTR) return;
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      if (waits[i].revents != 0 && !ends_) accept_from(listeners_[i]);
    }
  }
}

void Server::accept_from(const Listener& listener) {
  base::UniqueFd socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket) {
    const bool nobody = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
    if (nobody) return;
    log_.warn("cannot accept a connection: {}", base::errno_error(errno, "accept").text());
    wait_readable(ending_.get(), kLookMs);
    return;
  }
  if (listener.arrival() == Arrival::kTcp) {
    const int one = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  Connection& connection = connections_.emplace_back(std::move(socket));
  count_ = connections_.size();
  auto begun = base::begin_thread([this, &connection, arrival = listener.arrival()] {
    ConnectionContext context;
    context.handle = handler_;
    // With many connections open none is held in reserve for its next request.
    context.keep_alive = [this] {
      return ends_ || count_ > kMostConnections / 2 ? KeepAlive::kNo : KeepAlive::kYes;
    };
    context.arrival = arrival;
    context.ending_fd = ending_.get();
    serve_connection(connection.socket.get(), context, clock_);
    connection.done = true;
  });
  if (begun) {
    connection.thread = *std::move(begun);
    return;
  }
  log_.warn("a connection is refused: {}", begun.error().text());
  connection.done = true;
  wait_readable(ending_.get(), kLookMs);
}

void Server::reap() {
  connections_.remove_if([](const Connection& connection) { return connection.done.load(); });
  count_ = connections_.size();
}

void Server::drain(std::chrono::nanoseconds patience) {
  if (!acceptor_.joinable()) return;
  ends_ = true;
  const std::uint64_t one = 1;
  static_cast<void>(::write(ending_.get(), &one, sizeof one));
  acceptor_.join();
  listeners_.clear();
  const auto deadline = clock_.now() + clock_.scaled(patience);
  while (!connections_.empty() && clock_.now() < deadline) {
    reap();
    // No event tells that a thread is done; the socket of the first ends with it at the latest.
    if (!connections_.empty()) static_cast<void>(::poll(nullptr, 0, 10));
  }
  for (const Connection& connection : connections_) {
    ::shutdown(connection.socket.get(), SHUT_RDWR);
  }
  connections_.clear();  // joins
}

}  // namespace castool::api
