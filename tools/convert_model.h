// A repository converted for OpenVINO by `optimum-cli` and kept as a ref: the source comes through
// the store, the program sees it in an offline cache of the Hub's layout, its output is imported.
//
// The source is pulled under a name that no other conversion has, in a namespace that no mount
// shows, and loses that name at once: a lease keeps it from gc while the conversion runs. Whatever
// happens, nothing but the finished ref (and blobs for the next gc) stays.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "pull/puller.h"
#include "tools/command_context.h"

namespace castool::tools {

// Pulls with whatever shows progress, as that of `label`.
using PullModel = std::function<base::Result<pull::PullOutcome>(
    const std::string& label, const pull::PullContext&, const pull::PullRequest&)>;

// `request` is of a Hub repository, with the options of a conversion. kUnsupported (exit 1, as
// OVMS) when the programs are not installed or fail. A model that was converted so from the same
// commit is not converted again, unless `request` asks for a recheck. kUsage in a service, unless
// its options have allow-remote-code.
[[nodiscard]] base::Result<pull::PullOutcome> convert_model(const pull::PullContext& parts,
                                                            const pull::PullRequest& request,
                                                            const PullModel& pull_model,
                                                            CommandContext& context,
                                                            const std::stop_token& stop);

}  // namespace castool::tools
