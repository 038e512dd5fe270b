#include <fmt/format.h>

#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/named_refs.h"

namespace castool::tools {
namespace {

using base::Status;

Status set_pin(cas::RefStore& refs, const std::string& text, bool pinned) {
  CASTOOL_ASSIGN(const NamedRef ref, find_ref(refs, text));
  if (ref.record.pinned == pinned) return base::ok();
  return change_record(refs, ref.name, [pinned](manifest::RefRecord& record) {
    record.pinned = pinned;
    return base::ok();
  });
}

}  // namespace

int run_pin(const PinArguments& arguments, CommandContext& context) {
  const std::string verb = arguments.pinned ? "pin" : "unpin";
  auto opened = open_refs_for_change(context);
  if (!opened) {
    return report_error(context, verb + " " + arguments.names.front(), opened.error());
  }
  int status = kExitSuccess;
  for (const std::string& text : arguments.names) {
    const Status done = set_pin(*opened->refs, text, arguments.pinned);
    if (done) continue;
    const int failure = report_error(context, verb + " " + text, done.error());
    status = status == kExitSuccess ? failure : status;
  }
  return status;
}

}  // namespace castool::tools
