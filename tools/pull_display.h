// A pull shown while it runs: bars, lines, events or nothing, as the settings say.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "pull/puller.h"
#include "tools/command_context.h"

namespace castool::tools {

using RunPull = std::function<base::Result<pull::PullOutcome>(pull::PullEvents&)>;

// Whatever is shown is gone when this returns. `title` is the model's name.
[[nodiscard]] base::Result<pull::PullOutcome> show_pull(const std::string& title, pull::Mode mode,
                                                        CommandContext& context,
                                                        const RunPull& run);

}  // namespace castool::tools
