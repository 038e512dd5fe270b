// How much of what its readers want a mount may still bring into the store: the namespace's quota.
//
// Room is taken before a range is asked for and given back with what of it did not come. What the
// namespace holds is counted again when it seems to be too much, and every few seconds, since
// others bring and remove models meanwhile. Without a quota nothing is counted.
//
// Safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::pull {

class FillAllowance {
 public:
  // Room that is taken for bytes on their way. Dropping it gives back what did not come.
  class Room {
   public:
    Room(FillAllowance& allowance, std::uint64_t bytes) : allowance_(allowance), left_(bytes) {}
    ~Room();
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;
    // The rest is here, and counts as what the namespace holds.
    void left_is(std::uint64_t bytes);

   private:
    FillAllowance& allowance_;
    std::uint64_t left_;  // of the thread that writes
  };

  // The store outlives this, and this its rooms.
  FillAllowance(const cas::Store& store, std::string ns) : store_(store), ns_(std::move(ns)) {}

  // kQuota when the namespace may not hold that many more; null when there is no quota.
  [[nodiscard]] base::Result<std::shared_ptr<Room>> take(std::uint64_t bytes);

 private:
  [[nodiscard]] bool fits(std::uint64_t bytes, std::uint64_t limit) const CASTOOL_REQUIRES(mutex_) {
    return held_ + since_ + bytes <= limit;
  }

  const cas::Store& store_;
  const std::string ns_;
  base::Mutex mutex_;
  bool counted_ CASTOOL_GUARDED_BY(mutex_) = false;
  base::Clock::Monotonic when_ CASTOOL_GUARDED_BY(mutex_);
  std::uint64_t held_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::uint64_t since_ CASTOOL_GUARDED_BY(mutex_) = 0;   // taken, on its way then or later
  std::uint64_t on_way_ CASTOOL_GUARDED_BY(mutex_) = 0;  // taken, and not here yet
};

}  // namespace castool::pull
