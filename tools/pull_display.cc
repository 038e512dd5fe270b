#include "tools/pull_display.h"

#include <unistd.h>

#include "tools/pull_reporter.h"

namespace castool::tools {

base::Result<pull::PullOutcome> show_pull(const std::string& title, pull::Mode mode,
                                          CommandContext& context, const RunPull& run) {
  // A dry run has a result and no course of events.
  const bool events = mode == pull::Mode::kFetch && !context.settings.quiet;
  if (context.settings.json && events) {
    JsonReporter reporter(context.out);
    return run(reporter);
  }
  if (!context.settings.progress || context.settings.json) {
    SilentReporter reporter;
    return run(reporter);
  }
  const ProgressStyle style = progress_style(STDERR_FILENO, variable(context.variables, "TERM"));
  ProgressDisplay display(style, STDERR_FILENO, title, context.clock);
  context.log.attach(display);
  DisplayReporter reporter(display);
  auto outcome = run(reporter);
  context.log.release();
  return outcome;
}

}  // namespace castool::tools
