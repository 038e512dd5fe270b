// The verbs. Each does its whole job, reports its errors and returns the exit status.
#pragma once

#include "tools/arguments.h"
#include "tools/command_context.h"
#include "tools/ovms_request.h"

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
[[nodiscard]] int run_set(const SetArguments& arguments, CommandContext& context);
[[nodiscard]] int run_export(const ExportArguments& arguments, CommandContext& context);
[[nodiscard]] int run_ovms(const OvmsCommandArguments& arguments, CommandContext& context);

// What `pull` does when OVMS's options ask for something else.
[[nodiscard]] base::Status act_as_ovms(const OvmsRequest& request, CommandContext& context);
[[nodiscard]] int run_gc(const GcArguments& arguments, CommandContext& context);
[[nodiscard]] int run_pin(const PinArguments& arguments, CommandContext& context);
[[nodiscard]] int run_cp(const CpArguments& arguments, CommandContext& context);
[[nodiscard]] int run_update(const UpdateArguments& arguments, CommandContext& context);
[[nodiscard]] int run_fsck(const FsckArguments& arguments, CommandContext& context);
[[nodiscard]] int run_import(const ImportArguments& arguments, CommandContext& context);
[[nodiscard]] int run_quota(const QuotaArguments& arguments, CommandContext& context);

}  // namespace castool::tools
