#include "tools/mount_finder.h"

#include <utility>

namespace castool::tools {

MountFinder::MountFinder(ServedPulls& pulls, base::Clock& clock, base::Log& log)
    : pulls_(pulls),
      log_(log),
      brought_([this](const manifest::Source& source,
                      std::stop_token stop) { return bring(source, std::move(stop)); },
               clock) {}

void MountFinder::find(const manifest::Source& source, Done done) { brought_.find(source, done); }

base::Status MountFinder::bring(const manifest::Source& source, std::stop_token stop) {
  const auto outcome = pulls_.pull_lazily(source, std::move(stop));
  const std::string what = manifest::source_text(source);
  if (outcome) {
    log_.info("{}: brought here on demand", what);
    return base::ok();
  }
  log_.info("{}: looked for, and not brought here: {}", what, outcome.error().text());
  return outcome.error();
}

}  // namespace castool::tools
