// Reads with pread into a small buffer, not through a mapping: as fast (measured), a disk error is
// an error and not SIGBUS, and nothing stays mapped.
#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "base/hasher.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "cas/partial.h"
#include "cas/read_file.h"

namespace castool::cas {
namespace {

constexpr std::size_t kBuffer = 256 << 10;
// How often the table is looked at for what other processes brought, while somebody waits for us.
constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr auto kIdle = std::chrono::milliseconds(500);

}  // namespace

struct PrefixHasher::State {
  explicit State(Partial& hashed_partial) : partial(hashed_partial) {}

  void run(const std::stop_token& stop);
  [[nodiscard]] base::Result<bool> step(const std::stop_token& stop);
  [[nodiscard]] base::Status hash_to(std::uint64_t front, const std::stop_token& stop);
  void start_over();
  [[nodiscard]] base::Status wait_for_news(const std::stop_token& stop);

  Partial& partial;
  // Of the hashing thread.
  base::Sha256 sha256;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBuffer);
  std::uint64_t generation = 0;

  std::atomic<std::uint64_t> hashed = 0;
  std::atomic<bool> woken = false;

  base::Mutex mutex;
  base::CondVar changed;
  bool awaited CASTOOL_GUARDED_BY(mutex) = false;
  std::optional<base::Result<base::Digest>> result CASTOOL_GUARDED_BY(mutex);

  std::jthread thread;  // last: ends before the rest goes
};

void PrefixHasher::State::run(const std::stop_token& stop) {
  generation = partial.generation();
  while (!stop.stop_requested()) {
    auto done = step(stop);
    if (done && !*done) continue;
    if (stop.stop_requested()) return;
    const base::MutexLock lock(mutex);
    if (done) {
      result = sha256.finish();
    } else {
      result = base::Result<base::Digest>(base::failure(done));
    }
    changed.notify_all();
    return;
  }
}

// One look at the front; true when everything was hashed.
base::Result<bool> PrefixHasher::State::step(const std::stop_token& stop) {
  woken = false;
  const std::uint64_t front = partial.contiguous_prefix();
  if (hashed < front) {
    CASTOOL_RETURN_IF_ERROR(hash_to(front, stop));
    return false;
  }
  if (hashed == partial.key().size) {
    CASTOOL_RETURN_IF_ERROR(partial.refresh());
    if (partial.generation() == generation) return true;
    start_over();
    return false;
  }
  CASTOOL_RETURN_IF_ERROR(wait_for_news(stop));
  return false;
}

base::Status PrefixHasher::State::hash_to(std::uint64_t front, const std::stop_token& stop) {
  std::uint64_t offset = hashed;
  while (offset < front && !stop.stop_requested()) {
    const auto want = std::min<std::uint64_t>(buffer.size(), front - offset);
    CASTOOL_ASSIGN(const std::size_t got,
                   read_at(partial.data_fd(), offset, std::span(buffer).first(want)));
    if (got == 0) {
      return base::make_error(base::Code::kIo,
                              "the data of " + partial.key().digest.text() + " was cut short");
    }
    sha256.update(std::span(buffer).first(got));
    offset += got;
    hashed = offset;
  }
  return base::ok();
}

// Some chunk was dropped, so what was hashed of it may have been replaced.
void PrefixHasher::State::start_over() {
  generation = partial.generation();
  (void)sha256.finish();
  hashed = 0;
}

base::Status PrefixHasher::State::wait_for_news(const std::stop_token& stop) {
  bool look = false;
  {
    const base::MutexLock lock(mutex);
    const auto deadline = std::chrono::steady_clock::now() + (awaited ? kPoll : kIdle);
    const bool was_awaited = awaited;
    while (!woken && !stop.stop_requested() && awaited == was_awaited) {
      if (!changed.wait_until(mutex, deadline)) break;
    }
    look = awaited && !woken;
  }
  if (!look) return base::ok();
  // An error here shows up again when the bytes are read or claimed.
  (void)partial.refresh();
  if (partial.complete()) return base::ok();
  // Dropped after a sync had failed, here or in another process: nobody is sure to bring it again.
  return base::make_error(base::Code::kBusy,
                          "a part of " + partial.key().digest.text() + " was lost again");
}

PrefixHasher::PrefixHasher(Partial& partial) : state_(std::make_unique<State>(partial)) {
  auto begun =
      base::begin_thread([state = state_.get()](const std::stop_token& stop) { state->run(stop); });
  if (begun) {
    state_->thread = *std::move(begun);
    return;
  }
  const base::MutexLock lock(state_->mutex);
  state_->result = base::Result<base::Digest>(base::failure(begun));
}

PrefixHasher::~PrefixHasher() {
  state_->thread.request_stop();
  {
    const base::MutexLock lock(state_->mutex);
    state_->changed.notify_all();
  }
  if (state_->thread.joinable()) state_->thread.join();
}

void PrefixHasher::wake() {
  // Only the first of many wakes since the hasher last looked costs a lock.
  if (state_->woken.exchange(true)) return;
  const base::MutexLock lock(state_->mutex);
  state_->changed.notify_all();
}

std::uint64_t PrefixHasher::hashed_bytes() const { return state_->hashed; }

base::Result<base::Digest> PrefixHasher::finish(std::stop_token stop) {
  State& state = *state_;
  const std::stop_callback on_stop(stop, [&state] {
    const base::MutexLock lock(state.mutex);
    state.changed.notify_all();
  });
  const base::MutexLock lock(state.mutex);
  state.awaited = true;
  state.changed.notify_all();
  while (!state.result) {
    if (stop.stop_requested()) return base::make_error(base::Code::kCancelled, "interrupted");
    (void)state.changed.wait_until(state.mutex, std::chrono::steady_clock::now() + kIdle);
  }
  return *state.result;
}

}  // namespace castool::cas
