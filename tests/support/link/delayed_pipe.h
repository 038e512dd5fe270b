// One direction of a long link: bytes come out `delay` after they went in, no faster than `rate`.
//
// Stands in for a kernel's link emulation, which test machines lack. It carries bytes between two
// sockets, so round trips of requests and of connection set-up by data are as on a long link; TCP's
// own start-up on it is not, since each half acknowledges at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/mutex.h"

namespace castool::link {

// What all connections of one direction share: bytes a second. Any thread.
class LinkRate {
 public:
  explicit LinkRate(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}
  // The moment at which the last of `bytes` has passed; they queue up behind what came before.
  [[nodiscard]] std::chrono::steady_clock::time_point pass(std::size_t bytes);

 private:
  const std::uint64_t bytes_per_second_;  // 0: no limit
  base::Mutex mutex_;
  std::chrono::steady_clock::time_point free_at_ CASTOOL_GUARDED_BY(mutex_);
};

// Carries bytes from one socket to another until either ends. feed() and drain() each run on a
// thread of their own; both return once the stream has ended and everything before it was passed.
class DelayedPipe {
 public:
  // Nothing sets out before `opens_at`, when the connection's handshake is done.
  DelayedPipe(int from, int to, std::chrono::steady_clock::time_point opens_at,
              std::chrono::nanoseconds delay, std::shared_ptr<LinkRate> rate);

  void feed();
  void drain();

 private:
  struct Parcel {
    std::vector<char> bytes;  // none: the end of the stream
    std::chrono::steady_clock::time_point due;
  };

  // What fits on the way; a full one makes feed() wait, and TCP tells the sender.
  static constexpr std::size_t kInFlight = 32 << 20;

  const int from_;
  const int to_;
  const std::chrono::steady_clock::time_point opens_at_;
  const std::chrono::nanoseconds delay_;
  const std::shared_ptr<LinkRate> rate_;

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Parcel> parcels_ CASTOOL_GUARDED_BY(mutex_);
  std::size_t queued_ CASTOOL_GUARDED_BY(mutex_) = 0;
  bool broken_ CASTOOL_GUARDED_BY(mutex_) = false;  // nobody takes what still comes
};

}  // namespace castool::link
