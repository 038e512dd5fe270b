// The command line: options, commands, their help. The only file that knows CLI11 is
// command_line.cc. Pure: looks at nothing but its arguments.
#pragma once

#include <span>
#include <string>
#include <variant>

#include "base/result.h"
#include "tools/arguments.h"

namespace castool::tools {

// `arguments` without the program's name. kUsage: one line that begins with the command, when one
// was recognised, and says where to look.
[[nodiscard]] base::Result<std::variant<Invocation, Text>> parse_command_line(
    std::span<const std::string> arguments);

}  // namespace castool::tools
