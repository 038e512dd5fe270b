// A repository converted for OpenVINO by `optimum-cli` and kept as a ref: the source comes through
// the store, the program sees it in an offline cache of the Hub's layout, its output is imported.
//
// The source's name stands in a namespace of its own while the conversion runs, so that no mount
// shows it and gc keeps it. Whatever happens, nothing but the finished ref (and blobs for the next
// gc) stays.
#pragma once

#include <functional>
#include <stop_token>

#include "base/result.h"
#include "pull/puller.h"
#include "tools/command_context.h"

namespace castool::tools {

// Pulls with whatever shows progress.
using PullModel = std::function<base::Result<pull::PullOutcome>(const pull::PullContext&,
                                                                const pull::PullRequest&)>;

// `request` is of a Hub repository, with the options of a conversion. kUnsupported (exit 1, as
// OVMS) when the programs are not installed or fail. A model that was converted so from the same
// commit is not converted again, unless `request` asks for a recheck.
[[nodiscard]] base::Result<pull::PullOutcome> convert_model(const pull::PullContext& parts,
                                                            const pull::PullRequest& request,
                                                            const PullModel& pull_model,
                                                            CommandContext& context,
                                                            const std::stop_token& stop);

}  // namespace castool::tools
