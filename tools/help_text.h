// The prose of --help: what a command is for, examples, and what holds for all of them.
#pragma once

#include <string_view>

namespace castool::tools {

struct CommandHelp {
  std::string_view name;
  std::string_view summary;  // its line in the list of commands
  std::string_view detail;   // after the options: what to know, then examples
};

// The help of a command; every command of command_line.cc has one.
[[nodiscard]] const CommandHelp& command_help(std::string_view name);

[[nodiscard]] std::string_view program_summary();
// Environment and exit statuses.
[[nodiscard]] std::string_view program_footer();

}  // namespace castool::tools
