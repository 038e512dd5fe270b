// The verbs. Each does its whole job, reports its errors and returns the exit status.
#pragma once

#include "tools/arguments.h"
#include "tools/command_context.h"

namespace castool::tools {

[[nodiscard]] int run_pull(const PullArguments& arguments, CommandContext& context);
[[nodiscard]] int run_mount(const MountArguments& arguments, CommandContext& context);
[[nodiscard]] int run_serve(const ServeArguments& arguments, CommandContext& context);
[[nodiscard]] int run_umount(const UmountArguments& arguments, CommandContext& context);
[[nodiscard]] int run_ls(const LsArguments& arguments, CommandContext& context);
[[nodiscard]] int run_show(const ShowArguments& arguments, CommandContext& context);
[[nodiscard]] int run_rm(const RmArguments& arguments, CommandContext& context);
[[nodiscard]] int run_df(const DfArguments& arguments, CommandContext& context);
[[nodiscard]] int run_status(const StatusArguments& arguments, CommandContext& context);

}  // namespace castool::tools
