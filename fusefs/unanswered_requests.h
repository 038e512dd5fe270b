// The requests of the kernel that were taken and not answered yet, as they came: another process
// that has the same connection can answer them in this one's place.
//
// Only those are kept whose answer may come after the thread that took them went on to the next:
// LOOKUP, OPEN and READ. Safe from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"

namespace castool::fusefs {

class UnansweredRequests {
 public:
  // Bytes as read from /dev/fuse: u32 length, u32 opcode, u64 unique, ...
  void came(std::span<const char> request);
  void answered(std::uint64_t unique);
  [[nodiscard]] std::vector<std::string> all() const;

 private:
  mutable base::Mutex mutex_;
  std::unordered_map<std::uint64_t, std::string> requests_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs
