// Who gets the next connection. Pure.
//
// Demand before prefetch before background; within one class each party that wants connections
// gets its fair share while others of the class wait.
//
// A demand request that arrives while lower ones hold every slot gets one above the limit, one at
// a time. Waiting for the next range to end would take 8 MiB of the slowest connection, minutes on
// a bad link; a slot kept free below the limit would cost every pull without readers a
// connection; cutting a transfer off would cost its connection. So there are never more than
// limit + 1, and the further ones only while somebody waits for just these bytes.
#pragma once

#include <array>
#include <cstddef>

namespace castool::fetch {

enum class Priority {
  kDemand,     // a reader waits for these bytes, or a question that everything else waits for
  kPrefetch,   // a reader is expected to want them soon
  kBackground  // whole pulls, fill
};
inline constexpr std::size_t kPriorities = 3;

// The slots of one class. A party is a blob's download or one small request.
struct ClassUse {
  int active = 0;   // slots held
  int engaged = 0;  // parties that hold a slot or wait for one
  int waiting = 0;  // parties that wait for one
};

struct SlotUse {
  int limit = 1;
  std::array<ClassUse, kPriorities> classes;

  [[nodiscard]] ClassUse& of(Priority priority) {
    return classes[static_cast<std::size_t>(priority)];
  }
  [[nodiscard]] const ClassUse& of(Priority priority) const {
    return classes[static_cast<std::size_t>(priority)];
  }
};

// Whether a party of `priority` that holds `held` slots may have one more. The party itself counts
// as engaged in `use`, and not as waiting.
[[nodiscard]] bool may_take_slot(const SlotUse& use, Priority priority, int held);

}  // namespace castool::fetch
