// The whole run of one command: arguments, environment, dispatch, exit status.
#pragma once

#include <span>
#include <string>

#include "tools/settings.h"

namespace castool::tools {

// `arguments` without the program's name. Writes to the standard streams; returns the exit status.
[[nodiscard]] int run_program(std::span<const std::string> arguments, const Variables& variables,
                              User user);

}  // namespace castool::tools
