// Waits that end when a stop is requested.
#pragma once

#include <stop_token>

#include "base/clock.h"
#include "base/error.h"

namespace castool::pull {

// Waits `nominal` (scaled by the clock); false when `stop` was requested first.
[[nodiscard]] bool wait_unless_stopped(const base::Clock& clock, base::Clock::Duration nominal,
                                       const std::stop_token& stop);

[[nodiscard]] base::Error cancelled_error();

}  // namespace castool::pull
