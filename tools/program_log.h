// The log of a run: standard error, by way of the progress display while there is one, and
// syslog(3) once a daemon has let go of the terminal. Safe from any thread.
#pragma once

#include <atomic>
#include <string_view>

#include "base/log.h"
#include "base/mutex.h"
#include "tools/progress_display.h"

namespace castool::tools {

class ProgramLog final : public base::Log {
 public:
  explicit ProgramLog(base::LogLevel least) : least_(least) {}

  void write(base::LogLevel level, std::string_view message) override;
  [[nodiscard]] bool enabled(base::LogLevel level) const override { return level >= least_; }

  // Lines go above the bars of `display` until release().
  void attach(ProgressDisplay& display);
  void release();
  // From now on to syslog, as a daemon.
  void switch_to_syslog();

 private:
  const base::LogLevel least_;
  std::atomic<bool> syslog_ = false;
  base::Mutex mutex_;
  ProgressDisplay* display_ CASTOOL_GUARDED_BY(mutex_) = nullptr;
};

// -q: errors; nothing: warnings; -v: what is done; -vv: everything.
[[nodiscard]] base::LogLevel least_level(bool quiet, int verbose);

}  // namespace castool::tools
