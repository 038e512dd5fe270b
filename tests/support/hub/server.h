// A listening socket of 127.0.0.1 and a thread for each connection.
//
// Threads rather than an event loop: a stalled or trickling answer then costs one sleeping thread
// and no state machine, and hundreds of connections are as many as a test opens.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <thread>

#include "base/unique_fd.h"
#include "tests/support/hub/http.h"

namespace castool::hub {

class Server {
 public:
  struct Answer {
    Response response;
    std::function<void(std::uint64_t body_bytes)> sent;  // called once, when the last byte is out
  };
  // Called on many threads at once.
  using Handler = std::function<Answer(const Request&, std::uint64_t connection)>;
  // How many connections may be open; 0: no limit. Those beyond are reset.
  using Limit = std::function<std::uint64_t()>;

  struct Stats {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::uint64_t active = 0;
    std::uint64_t peak = 0;  // of active, since the last reset_stats
  };

  // Binds `port` (0: any); throws std::system_error.
  explicit Server(std::uint16_t port);
  // Ends every connection, waits for their threads.
  ~Server();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  void start(Handler handler, Limit limit);
  [[nodiscard]] Stats stats() const;
  void reset_stats();

 private:
  struct Worker {
    std::atomic<bool> done = false;
    std::jthread thread;  // last: joined before `done` goes
  };
  void accept_all();
  void open(base::UniqueFd socket);
  void converse(base::UniqueFd socket, std::uint64_t id);

  base::UniqueFd listener_;
  base::UniqueFd stop_;  // an eventfd that turns readable once
  std::uint16_t port_ = 0;
  Handler handler_;
  Limit limit_;
  std::atomic<std::uint64_t> accepted_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
  std::atomic<std::uint64_t> active_ = 0;
  std::atomic<std::uint64_t> peak_ = 0;
  std::uint64_t last_id_ = 0;  // the accepting thread's
  std::list<Worker> workers_;  // the accepting thread's
  std::jthread acceptor_;      // last: joined before the members it uses go
};

}  // namespace castool::hub
