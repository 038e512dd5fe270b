#include <unistd.h>

#include <exception>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/thread.h"
#include "tools/exit_status.h"
#include "tools/output.h"
#include "tools/program.h"
#include "tools/settings.h"

namespace {

int end_with(const castool::base::Error& error) {
  static_cast<void>(castool::tools::write_all(STDERR_FILENO, "castool: " + error.text() + "\n"));
  return castool::tools::exit_status(error.code);
}

// Memory that ran out, or a defect of ours: no room lets anything else out.
castool::base::Error internal(const std::exception& failure) {
  return castool::base::make_error(castool::base::Code::kInternal,
                                   std::string("internal error: ") + failure.what());
}

}  // namespace

int main(int argc, char** argv) {
  using namespace castool;
  try {
    const std::vector<std::string> arguments(argc > 0 ? argv + 1 : argv, argv + argc);
    const auto user = ::geteuid() == 0 ? tools::User::kRoot : tools::User::kOther;
    return tools::run_program(arguments, tools::read_variables(environ), user);
  } catch (const std::system_error& failure) {
    // Of a thread that a command begins with; one that is begun later is a Result.
    const bool no_thread = failure.code() == std::errc::resource_unavailable_try_again;
    return end_with(no_thread ? base::no_thread(failure) : internal(failure));
  } catch (const std::exception& failure) {
    return end_with(internal(failure));
  }
}
