#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/model_options.h"
#include "tools/named_refs.h"

namespace castool::tools {
namespace {

base::Result<std::string> set_options(const SetArguments& arguments, CommandContext& context) {
  if (arguments.ovms.values.empty()) {
    return base::make_error(base::Code::kUsage, "no option is given",
                            "castool set --help lists them");
  }
  CASTOOL_ASSIGN(auto opened, open_refs_for_change(context));
  cas::RefStore& refs = *opened.refs;
  CASTOOL_ASSIGN(const auto record, find_record(refs, arguments.name));
  CASTOOL_RETURN_IF_ERROR(
      change_record(refs, record.name, [&arguments](manifest::RefRecord& current) {
        return change_options(arguments.ovms, current);
      }));
  return record.name;
}

}  // namespace

int run_set(const SetArguments& arguments, CommandContext& context) {
  const auto name = set_options(arguments, context);
  if (!name) return report_error(context, "set " + arguments.name, name.error());
  if (context.settings.json) {
    context.out.line(nlohmann::ordered_json{{"status", "success"}, {"name", *name}}.dump());
  } else if (!context.settings.quiet) {
    context.out.line(fmt::format("{}: options set", *name));
  }
  return kExitSuccess;
}

}  // namespace castool::tools
