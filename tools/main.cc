#include <unistd.h>

#include <exception>
#include <string>
#include <vector>

#include "base/error.h"
#include "tools/exit_status.h"
#include "tools/output.h"
#include "tools/program.h"
#include "tools/settings.h"

int main(int argc, char** argv) {
  using namespace castool;
  try {
    const std::vector<std::string> arguments(argc > 0 ? argv + 1 : argv, argv + argc);
    const auto user = ::geteuid() == 0 ? tools::User::kRoot : tools::User::kOther;
    return tools::run_program(arguments, tools::read_variables(environ), user);
  } catch (const std::exception& failure) {
    // Memory that ran out, or a defect of ours: no room lets anything else out.
    static_cast<void>(tools::write_all(
        STDERR_FILENO, std::string("castool: internal error: ") + failure.what() + "\n"));
    return tools::exit_status(base::Code::kInternal);
  }
}
