// What all transfers of a process share: connection slots, their adaptive window, the byte rate.
//
// Whoever sends a request holds a slot for as long as its answer takes, whether it asks for a range
// of a blob or for a manifest, so that all of them together keep to `--connections` and
// `--limit-rate`. slot_policy.h says who is next, connection_window.h how many there are.
//
// Safe from any thread. One mutex guards all of it; it is held for arithmetic only, never around a
// callback or I/O. Users may keep small state of their own under it and wait on `changed`, which
// is notified whenever a slot or the limit changes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "base/clock.h"
#include "base/mutex.h"
#include "fetch/connection_window.h"
#include "fetch/slot_policy.h"
#include "fetch/token_bucket.h"

namespace castool::fetch {

class TransferBudget {
 public:
  // One party that wants slots; its members are the budget's. It leaves before it goes.
  class Party {
   public:
    explicit Party(Priority priority) : priority_(priority) {}
    [[nodiscard]] Priority priority() const { return priority_; }

   private:
    friend class TransferBudget;
    const Priority priority_;
    int held_ = 0;
    bool waiting_ = false;
  };
  // When a request got its slot, among all of them; later is larger.
  using Grant = std::uint64_t;

  // `bytes_per_second` 0: no limit. `clock` outlives the budget.
  TransferBudget(int connections, std::uint64_t bytes_per_second, const base::Clock& clock);

  // A slot for one request now; without one the party counts as waiting, which holds back lower
  // classes, until it gets one or withdraws. `changed` tells when to try again.
  [[nodiscard]] std::optional<Grant> try_acquire(Party& party) CASTOOL_EXCLUDES(mutex);
  void release(Party& party) CASTOOL_EXCLUDES(mutex);
  void withdraw(Party& party) CASTOOL_EXCLUDES(mutex);
  // Waits for a slot; nullopt when stop was requested first.
  [[nodiscard]] std::optional<Grant> acquire(Party& party, const std::stop_token& stop)
      CASTOOL_EXCLUDES(mutex);

  // An origin pushed back on the request of that grant. Requests that were under way together
  // halve the window once.
  void push_back(Grant grant) CASTOOL_EXCLUDES(mutex);
  [[nodiscard]] int connections() CASTOOL_EXCLUDES(mutex);

  // Counts body bytes against the rate limit: zero when they may be taken now, else how long to
  // wait before asking again. While a higher class waits for bytes, lower ones wait longer.
  [[nodiscard]] base::Clock::Duration take_tokens(std::uint64_t bytes, Priority priority)
      CASTOOL_EXCLUDES(mutex);

  base::Mutex mutex;
  base::CondVar changed;

 private:
  [[nodiscard]] static int engaged(const Party& party) {
    return party.held_ > 0 || party.waiting_ ? 1 : 0;
  }
  void set_waiting(Party& party, bool waiting) CASTOOL_REQUIRES(mutex);
  void set_held(Party& party, int held) CASTOOL_REQUIRES(mutex);
  // Looks at the throughput twice a second and moves the window.
  void sample(base::Clock::Monotonic now) CASTOOL_REQUIRES(mutex);

  const base::Clock& clock_;
  const std::uint64_t bytes_per_second_;
  std::atomic<std::uint64_t> bytes_{0};
  SlotUse use_ CASTOOL_GUARDED_BY(mutex);
  ConnectionWindow window_ CASTOOL_GUARDED_BY(mutex);
  Grant last_grant_ CASTOOL_GUARDED_BY(mutex) = 0;
  Grant pushed_back_ CASTOOL_GUARDED_BY(mutex) = 0;  // grants up to here were answered for
  std::optional<TokenBucket> bucket_ CASTOOL_GUARDED_BY(mutex);
  // By class: until when lower classes leave the tokens to it.
  std::array<base::Clock::Monotonic, kPriorities> reserved_ CASTOOL_GUARDED_BY(mutex);
  base::Clock::Monotonic sampled_at_ CASTOOL_GUARDED_BY(mutex);
  std::uint64_t sampled_bytes_ CASTOOL_GUARDED_BY(mutex) = 0;
};

// A slot held for a scope: waits for it when made. Empty when stop was requested first.
class HeldSlot {
 public:
  HeldSlot(TransferBudget& budget, Priority priority, const std::stop_token& stop)
      : budget_(budget), party_(priority), grant_(budget.acquire(party_, stop)) {}
  ~HeldSlot() {
    if (grant_) budget_.release(party_);
  }
  HeldSlot(const HeldSlot&) = delete;
  HeldSlot& operator=(const HeldSlot&) = delete;

  [[nodiscard]] const std::optional<TransferBudget::Grant>& grant() const { return grant_; }

 private:
  TransferBudget& budget_;
  TransferBudget::Party party_;
  const std::optional<TransferBudget::Grant> grant_;
};

}  // namespace castool::fetch
