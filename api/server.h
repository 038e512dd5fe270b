// The sockets of the API: accepts, gives each connection a thread, ends in order.
//
// A thread a connection, and not a pool of workers: an answer that lasts for hours then costs one
// sleeping thread and keeps nothing else waiting. Both are bounded: connections here, lasting
// answers by PullHub, of which there are fewer, so that a short question always finds a connection.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/http.h"
#include "api/http_connection.h"
#include "api/listener.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"

namespace castool::api {

// Used by one thread.
class Server {
 public:
  // More wait to be accepted. One for which there is no thread is closed.
  static constexpr std::size_t kMostConnections = 1024;

  // Called on many threads at once.
  using Handler = std::function<Reply(const Request&)>;

  // Accepts from now on. `clock` and `log` outlive this, and so does what `handler` uses.
  [[nodiscard]] static base::Result<std::unique_ptr<Server>> start(std::vector<Listener> listeners,
                                                                   Handler handler,
                                                                   base::Clock& clock,
                                                                   base::Log& log);
  ~Server();  // drain()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Accepts no more, ends connections that are idle, lets requests end for at most `patience` and
  // then cuts them off.
  void drain(std::chrono::nanoseconds patience = std::chrono::seconds(5));

 private:
  struct Connection {
    explicit Connection(base::UniqueFd fd) : socket(std::move(fd)) {}
    const base::UniqueFd socket;
    std::atomic<bool> done = false;
    std::jthread thread;  // last: joined before the socket goes
  };

  Server(std::vector<Listener> listeners, Handler handler, base::UniqueFd ending,
         base::Clock& clock, base::Log& log);
  void accept_all();
  void accept_from(const Listener& listener);
  void reap();

  const Handler handler_;
  const base::UniqueFd ending_;  // an eventfd, readable once it ends
  base::Clock& clock_;
  base::Log& log_;
  std::atomic<bool> ends_ = false;
  std::vector<Listener> listeners_;     // the accepting thread's while it runs
  std::list<Connection> connections_;   // likewise
  std::atomic<std::size_t> count_ = 0;  // of connections_
  std::jthread acceptor_;
};

}  // namespace castool::api
