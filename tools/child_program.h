// Another program, run with an argument list and an environment of its own; no shell.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/settings.h"

namespace castool::tools {

// Where PATH has a program of that name; empty: nowhere.
[[nodiscard]] std::string find_program(const std::string& name, const Variables& variables);

enum class ChildOutput { kShown, kDropped };  // on standard error

// Runs to the end in a process group of its own, standard input empty. When `stop` is requested the
// group gets SIGTERM and ten seconds later SIGKILL; then kCancelled. kUnsupported (exit 1) when the
// program fails, kIo when it cannot be run. Nothing of the group is left running.
[[nodiscard]] base::Status run_program(const std::string& path,
                                       const std::vector<std::string>& words,
                                       const Variables& variables, ChildOutput output,
                                       const std::stop_token& stop);

}  // namespace castool::tools
