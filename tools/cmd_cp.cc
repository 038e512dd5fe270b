#include <chrono>

#include "manifest/source.h"
#include "tools/commands.h"
#include "tools/named_refs.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

// What NEW is called: a name of one's own, or one that a source would give.
Result<std::string> new_name(const std::string& text) {
  auto custom = manifest::parse_custom_name(text);
  if (custom) return custom;
  const auto source = manifest::parse_source(text);
  if (!source) return custom;
  return manifest::ref_name(*source);
}

Status copy(const CpArguments& arguments, CommandContext& context) {
  CASTOOL_ASSIGN(const std::string to, new_name(arguments.to));
  CASTOOL_ASSIGN(auto opened, open_refs_for_change(context));
  CASTOOL_ASSIGN(const NamedRef from, find_ref(*opened.refs, arguments.from));
  if (from.name == to) return base::ok();
  const auto now = context.clock.wall_now().time_since_epoch();
  const auto second = [&](const std::string& bytes) -> Result<std::string> {
    CASTOOL_ASSIGN(manifest::RefRecord record, manifest::parse_ref_record(bytes));
    record.name = to;
    record.pinned = false;
    record.on_demand = false;
    record.first_pulled_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
    record.last_used_at = std::chrono::duration_cast<std::chrono::seconds>(now).count();
    return manifest::print_ref_record(record);
  };
  return opened.refs->copy(from.name, to, second);
}

}  // namespace

int run_cp(const CpArguments& arguments, CommandContext& context) {
  return finish(context, "cp " + arguments.from, copy(arguments, context));
}

}  // namespace castool::tools
