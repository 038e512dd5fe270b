#include "tests/support/link/delayed_pipe.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace castool::link {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kPiece = 64 << 10;
constexpr auto kLook = std::chrono::seconds(1);

bool send_all(int socket, const std::vector<char>& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

steady_clock::time_point LinkRate::pass(std::size_t bytes) {
  const auto now = steady_clock::now();
  if (bytes_per_second_ == 0) return now;
  const std::chrono::nanoseconds needed(bytes * 1'000'000'000ULL / bytes_per_second_);
  const base::MutexLock lock(mutex_);
  free_at_ = std::max(free_at_, now) + needed;
  return free_at_;
}

DelayedPipe::DelayedPipe(int from, int to, steady_clock::time_point opens_at,
                         std::chrono::nanoseconds delay, std::shared_ptr<LinkRate> rate)
    : from_(from), to_(to), opens_at_(opens_at), delay_(delay), rate_(std::move(rate)) {}

void DelayedPipe::feed() {
  while (true) {
    Parcel parcel;
    parcel.bytes.resize(kPiece);
    const ssize_t count = ::recv(from_, parcel.bytes.data(), kPiece, 0);
    if (count < 0 && errno == EINTR) continue;
    parcel.bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    parcel.due = std::max(rate_->pass(parcel.bytes.size()), opens_at_) + delay_;
    base::MutexLock lock(mutex_);
    while (queued_ >= kInFlight && !broken_) {
      (void)changed_.wait_until(mutex_, steady_clock::now() + kLook);
    }
    if (broken_) return;
    queued_ += parcel.bytes.size();
    parcels_.push_back(std::move(parcel));
    changed_.notify_all();
    if (count <= 0) return;
  }
}

void DelayedPipe::drain() {
  while (true) {
    Parcel parcel;
    {
      base::MutexLock lock(mutex_);
      while (parcels_.empty()) (void)changed_.wait_until(mutex_, steady_clock::now() + kLook);
      while (steady_clock::now() < parcels_.front().due) {
        (void)changed_.wait_until(mutex_, parcels_.front().due);
      }
      parcel = std::move(parcels_.front());
      parcels_.pop_front();
      queued_ -= parcel.bytes.size();
      changed_.notify_all();
    }
    if (!parcel.bytes.empty() && send_all(to_, parcel.bytes)) continue;
    // Both ends learn of it: the reader that nothing more comes, the writer that nobody reads.
    ::shutdown(to_, SHUT_WR);
    ::shutdown(from_, SHUT_RD);
    base::MutexLock lock(mutex_);
    broken_ = true;
    changed_.notify_all();
    return;
  }
}

}  // namespace castool::link
