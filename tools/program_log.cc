#include "tools/program_log.h"

#include <syslog.h>
#include <unistd.h>

#include <string>

#include "tools/output.h"

namespace castool::tools {
namespace {

int priority_of(base::LogLevel level) {
  switch (level) {
    case base::LogLevel::kDebug: return LOG_DEBUG;
    case base::LogLevel::kInfo: return LOG_INFO;
    case base::LogLevel::kWarn: return LOG_WARNING;
    case base::LogLevel::kError: return LOG_ERR;
  }
  return LOG_ERR;
}

}  // namespace

void ProgramLog::write(base::LogLevel level, std::string_view message) {
  const std::string text = printable(message);
  if (syslog_) {
    ::syslog(priority_of(level), "%s", text.c_str());
    return;
  }
  std::string line = "castool: " + text;
  {
    base::MutexLock lock(mutex_);
    if (display_ != nullptr) {
      display_->note(std::move(line));  // only queues
      return;
    }
  }
  static_cast<void>(write_all(STDERR_FILENO, line + "\n"));
}

void ProgramLog::attach(ProgressDisplay& display) {
  base::MutexLock lock(mutex_);
  display_ = &display;
}

void ProgramLog::release() {
  base::MutexLock lock(mutex_);
  display_ = nullptr;
}

void ProgramLog::switch_to_syslog() {
  ::openlog("castool", LOG_PID, LOG_DAEMON);
  syslog_ = true;
}

base::LogLevel least_level(bool quiet, int verbose) {
  if (quiet) return base::LogLevel::kError;
  if (verbose == 0) return base::LogLevel::kWarn;
  return verbose == 1 ? base::LogLevel::kInfo : base::LogLevel::kDebug;
}

}  // namespace castool::tools
