#include "tools/program.h"

#include <unistd.h>

#include <algorithm>
#include <variant>

#include "base/clock.h"
#include "base/file_ops.h"
#include "tools/command_context.h"
#include "tools/command_line.h"
#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/output.h"
#include "tools/remote.h"
#include "tools/signals.h"

namespace castool::tools {
namespace {

struct Dispatch {
  CommandContext& context;
  int operator()(const PullArguments& a) const { return run_pull(a, context); }
  int operator()(const MountArguments& a) const { return run_mount(a, context); }
  int operator()(const ServeArguments& a) const { return run_serve(a, context); }
  int operator()(const UmountArguments& a) const { return run_umount(a, context); }
  int operator()(const LsArguments& a) const { return run_ls(a, context); }
  int operator()(const ShowArguments& a) const { return run_show(a, context); }
  int operator()(const RmArguments& a) const { return run_rm(a, context); }
  int operator()(const DfArguments& a) const { return run_df(a, context); }
  int operator()(const StatusArguments& a) const { return run_status(a, context); }
  int operator()(const SetArguments& a) const { return run_set(a, context); }
  int operator()(const ExportArguments& a) const { return run_export(a, context); }
  int operator()(const OvmsCommandArguments& a) const { return run_ovms(a, context); }
  int operator()(const GcArguments& a) const { return run_gc(a, context); }
  int operator()(const PinArguments& a) const { return run_pin(a, context); }
  int operator()(const CpArguments& a) const { return run_cp(a, context); }
  int operator()(const UpdateArguments& a) const { return run_update(a, context); }
  int operator()(const FsckArguments& a) const { return run_fsck(a, context); }
  int operator()(const ImportArguments& a) const { return run_import(a, context); }
  int operator()(const QuotaArguments& a) const { return run_quota(a, context); }
};

// For errors found before the arguments are understood.
bool asks_for_json(std::span<const std::string> arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::find(arguments.begin(), end, "--json") != end;
}

int run_invocation(const Invocation& invocation, const Settings& settings,
                   const Variables& variables, Output& out) {
  ProgramLog log(least_level(settings.quiet, settings.verbose));
  base::SystemClock clock(settings.time_scale);
  base::SystemFileOps files;
  CommandContext context = {invocation.global, settings, variables, out, log, clock, files};
  if (!settings.socket.empty() && speaks_to_servers(invocation.arguments)) {
    return run_remotely(invocation, context);
  }
  return std::visit(Dispatch{context}, invocation.arguments);
}

// Nothing is done when its results cannot be told.
int close_output(Output& out, bool json, int status) {
  const base::Status flushed = out.flush();
  if (out.reader_gone()) die_of_broken_pipe();
  if (flushed) return status;
  const int failure = report_error(out, json, "", flushed.error());
  return status == kExitSuccess ? failure : status;
}

}  // namespace

int run_program(std::span<const std::string> arguments, const Variables& variables, User user) {
  ignore_broken_pipes();
  const bool json = asks_for_json(arguments);
  Output out(STDOUT_FILENO, STDERR_FILENO, json ? Buffering::kLine : Buffering::kWhole);
  auto parsed = parse_command_line(arguments);
  if (!parsed) return close_output(out, json, report_error(out, json, "", parsed.error()));
  if (const auto* text = std::get_if<Text>(&*parsed)) {
    out.text(text->text);
    return close_output(out, json, kExitSuccess);
  }
  const Invocation& invocation = std::get<Invocation>(*parsed);
  const auto settings = read_settings(invocation.global, variables, user);
  if (!settings) {
    return close_output(out, json, report_error(out, json, invocation.command, settings.error()));
  }
  const int status = run_invocation(invocation, *settings, variables, out);
  return close_output(out, json, status);
}

}  // namespace castool::tools
