// Sleeping that a stop request ends at once.
#pragma once

#include <stop_token>

#include "base/clock.h"

namespace castool::fetch {

// Waits until `deadline`, by `clock`, or until stop is requested; false in the second case.
[[nodiscard]] bool wait_until(const base::Clock& clock, base::Clock::Monotonic deadline,
                              const std::stop_token& stop);

}  // namespace castool::fetch
