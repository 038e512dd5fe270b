// What other repositories a model's options bring into its directory: the draft model of
// speculative decoding and the LoRA adapters of image generation, at the paths where OVMS looks.
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "manifest/ref_record.h"
#include "manifest/source.h"
#include "pull/puller.h"

namespace castool::pull {

struct WantedAttachment {
  std::string path;                // in the model's directory
  manifest::HubSource source;      // or, when the repository is empty:
  std::string address;             // of a single file at no Hub
  std::vector<std::string> files;  // wanted ones; empty: all of the repository
  bool lone_adapter = false;       // instead: the only .safetensors file in it
  bool flat = false;               // the file stands at `path` without its directories
};

// In the order of their paths, each path once. kUsage for options that name nothing that could be
// fetched. `endpoint`: the Hub whose addresses are files of repositories. Pure.
[[nodiscard]] base::Result<std::vector<WantedAttachment>> wanted_attachments(
    const std::map<std::string, std::string>& options, std::string_view endpoint);

// Fetches them, and completes `options` with the names of files that were left out there. Their
// blobs are stored when this returns; nothing names them yet.
[[nodiscard]] base::Status attach_models(const PullContext& context, const PullRequest& request,
                                         std::map<std::string, std::string>& options,
                                         std::vector<manifest::Attachment>& attachments,
                                         PullEvents& events, std::stop_token stop);

// Adds to `planned` what attach_models() would look at, under the paths that the files get. A file
// of an address is left out: its size is not known before it comes.
[[nodiscard]] base::Status plan_attachments(const PullContext& context,
                                            const std::map<std::string, std::string>& options,
                                            std::vector<PlannedFile>& planned,
                                            const std::stop_token& stop);

}  // namespace castool::pull
