// Where `ovms --pull` would have left a model: --model_repository_path.
//
// At a mount of castool the ref is the delivery: the mount follows its store. Anywhere else the
// model's directory is written as OVMS would have left it, without .git.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "cas/store.h"
#include "manifest/ref_record.h"
#include "tools/command_context.h"
#include "tools/ovms_request.h"

namespace castool::tools {

struct Repository {
  std::string path;
  // Of the castool that is mounted there; none: a directory like any other.
  std::optional<std::string> mounted_store;
};

// Looks at what is mounted at `path`.
[[nodiscard]] Repository look_at_repository(const std::string& path);
// What a line of /proc/self/mountinfo says of a castool mounted at or above `path`. Pure.
[[nodiscard]] std::optional<std::string> castool_mounted_at(std::string_view mountinfo,
                                                            std::string_view path);

// The settings for a pull into `repository`: a mount shows its own store, so that is the one meant
// unless another was named (kUsage).
[[nodiscard]] base::Result<Settings> settings_for(const std::optional<Repository>& repository,
                                                  const CommandContext& context);

// What OVMS does instead of a pull when the model's directory is there and it was not told to
// overwrite it: the files stay, graph.pbtxt is written anew. False when there is nothing to keep.
[[nodiscard]] base::Result<bool> keep_existing(const Repository& repository,
                                               const OvmsRequest& request, CommandContext& context);

[[nodiscard]] base::Status deliver(const Repository& repository, const OvmsRequest& request,
                                   cas::Store& store, const manifest::RefRecord& record,
                                   CommandContext& context, const std::stop_token& stop);

// OVMS's lines at the end, unless the output is for programs.
void print_delivery(const Repository& repository, const OvmsRequest& request,
                    const manifest::RefRecord& record, CommandContext& context);

}  // namespace castool::tools
