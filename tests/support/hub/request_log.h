// What the two origins were asked, in order, with what they sent. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/mutex.h"
#include "tests/support/hub/http.h"

namespace castool::hub {

class RequestLog {
 public:
  // Older entries are dropped beyond this many.
  static constexpr std::size_t kCapacity = 50'000;

  // A request was read; its number, which `finish` takes. The entry's status is 0 until then.
  std::uint64_t begin(const std::string& origin, std::uint64_t connection, const Request& request);
  // The answer is made and about to go out.
  void answer(std::uint64_t seq, int status, bool faulted);
  // The answer, or what of it could be sent, is out.
  void finish(std::uint64_t seq, std::uint64_t bytes_sent);

  // Waits until every entry is finished, or for `longest`: an answer's last bytes reach the client
  // a moment before the entry knows of them.
  void settle(std::chrono::milliseconds longest) const;
  // [{"seq", "origin", "connection", "method", "target", "range", "status" (0: not answered yet),
  //   "bytes_sent" (of the body), "authorization" (was there one), "faulted", "headers": {...},
  //   "began_ms", "ended_ms" (since the hub's start; -1: not yet)}...]
  [[nodiscard]] nlohmann::json to_json() const;
  void clear();

 private:
  struct Entry {
    std::string origin;
    std::uint64_t connection = 0;
    std::string method;
    std::string target;
    Headers headers;
    int status = 0;
    std::uint64_t bytes_sent = 0;
    bool faulted = false;
    std::int64_t began_ms = 0;
    std::int64_t ended_ms = -1;
  };
  [[nodiscard]] std::int64_t now_ms() const;
  [[nodiscard]] Entry* find(std::uint64_t seq) CASTOOL_REQUIRES(mutex_);

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable base::Mutex mutex_;
  mutable base::CondVar finished_;
  std::uint64_t unfinished_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::deque<Entry> entries_ CASTOOL_GUARDED_BY(mutex_);
  std::uint64_t first_seq_ CASTOOL_GUARDED_BY(mutex_) = 1;
};

}  // namespace castool::hub
