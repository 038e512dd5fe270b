// Waiting for another process's lock, of which no event tells: a short pause between two looks.
#pragma once

#include <chrono>
#include <stop_token>

namespace castool::cas {

// False, at once, when a stop is requested.
[[nodiscard]] bool pause_unless_stopped(std::chrono::milliseconds pause,
                                        const std::stop_token& stop);

}  // namespace castool::cas
