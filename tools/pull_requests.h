// From the arguments of `pull` to one request a source. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "pull/puller.h"
#include "tools/arguments.h"

namespace castool::tools {

struct NamedRequest {
  std::string label;  // the source for messages: as it was typed, without secrets
  pull::PullRequest request;
};

// kUsage, naming the source, for one that cannot be parsed, for two revisions of one source, and
// for options of the Hub with an Ollama source. Nothing is fetched when one of several is wrong.
[[nodiscard]] base::Result<std::vector<NamedRequest>> pull_requests(const PullArguments& arguments);

}  // namespace castool::tools
