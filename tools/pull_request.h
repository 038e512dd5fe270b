// From the arguments of `pull` to the request of one source. Pure functions.
#pragma once

#include <string>

#include "base/result.h"
#include "pull/puller.h"
#include "tools/arguments.h"
#include "tools/ovms_request.h"

namespace castool::tools {

// A source for messages: as it was typed, without user info and query of an address.
[[nodiscard]] std::string source_label(const std::string& source);

// kUsage for a source that cannot be parsed, for two revisions of one source, and for options of
// the Hub with an Ollama source.
[[nodiscard]] base::Result<pull::PullRequest> pull_request(const std::string& source,
                                                           const PullArguments& arguments);

// The request of one source with what OVMS's options say of the model.
[[nodiscard]] base::Result<pull::PullRequest> pull_request(const std::string& source,
                                                           const PullArguments& arguments,
                                                           const OvmsRequest& ovms);

}  // namespace castool::tools
