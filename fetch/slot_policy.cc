#include "fetch/slot_policy.h"

#include <algorithm>

namespace castool::fetch {

bool may_take_slot(const SlotUse& use, Priority priority, int held) {
  int active = 0;
  int higher_active = 0;
  bool higher_waits = false;
  for (std::size_t i = 0; i < kPriorities; ++i) {
    active += use.classes[i].active;
    if (i >= static_cast<std::size_t>(priority)) continue;
    higher_active += use.classes[i].active;
    higher_waits = higher_waits || use.classes[i].waiting > 0;
  }
  if (higher_waits) return false;
  const ClassUse& own = use.of(priority);
  if (active >= use.limit) {
    return priority == Priority::kDemand && own.active == 0 && active == use.limit;
  }
  if (own.waiting == 0) return true;
  const int parties = std::max(own.engaged, 1);
  const int share = (use.limit - higher_active + parties - 1) / parties;
  return held < std::max(share, 1);
}

}  // namespace castool::fetch
