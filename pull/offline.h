// A pull that may not ask anybody: it succeeds when everything is there already.
#pragma once

#include <string>

#include "base/result.h"
#include "pull/puller.h"

namespace castool::pull {

// The outcome of pulling `request` into the ref `name` without any origin. kUnavailable when the
// ref is absent, incomplete, of another model or of another revision than asked for, and for
// options that name repositories which are not attached already. Other options are kept with the
// ref.
[[nodiscard]] base::Result<PullOutcome> pull_offline(const PullContext& context,
                                                     const PullRequest& request,
                                                     const std::string& name);

}  // namespace castool::pull
