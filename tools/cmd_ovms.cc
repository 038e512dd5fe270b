// OVMS's options that pull nothing, as options of `pull` and as commands of their own.
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/ovms_directory.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

Status print_servable(const OvmsRequest& request, CommandContext& context) {
  if (!request.repository_path) {
    return make_error(Code::kUsage, "model_repository_path parameter is required",
                      "a mount of castool is one as well");
  }
  CASTOOL_ASSIGN(const auto names, list_servable(*request.repository_path));
  for (const std::string& name : names) {
    context.out.line(context.settings.json ? nlohmann::json{{"name", name}}.dump() : name);
  }
  return base::ok();
}

Status edit_config(const OvmsRequest& request, CommandContext& context) {
  if (request.config_path.empty()) {
    return make_error(Code::kUsage, "config_path parameter is required",
                      "or --model_repository_path, which has a config.json");
  }
  if (request.model_name.empty()) {
    return make_error(Code::kUsage, "model_name parameter is required");
  }
  std::string path = request.config_path;
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure)) path += "/config.json";
  CASTOOL_ASSIGN(const std::string text, read_file(path));
  Result<std::string> edited = config_without(text, request.model_name);
  if (request.action == OvmsAction::kAddToConfig) {
    std::string base = request.model_path;
    if (base.empty() && request.repository_path) {
      base = *request.repository_path + "/" + request.model_name;
    }
    if (base.empty()) return make_error(Code::kUsage, "model_path parameter is required");
    edited = config_with(text, request.model_name, absolute_path(base));
  }
  if (!edited) return base::failure(edited);
  CASTOOL_RETURN_IF_ERROR(replace_file(path, *edited, context.files));
  if (!context.settings.json && !context.settings.quiet) {
    context.out.line("Config updated: " + path);
  }
  return base::ok();
}

Status configure(const OvmsRequest& request, CommandContext& context) {
  if (request.model_path.empty()) {
    return make_error(Code::kUsage, "model_path parameter is required with --configure");
  }
  CASTOOL_RETURN_IF_ERROR(write_graph(request.model_path, request, ".", context.files));
  if (!context.settings.json && !context.settings.quiet) {
    context.out.line("Graph: graph.pbtxt created in: " + request.model_path);
  }
  return base::ok();
}

}  // namespace

Status act_as_ovms(const OvmsRequest& request, CommandContext& context) {
  switch (request.action) {
    case OvmsAction::kListModels: return print_servable(request, context);
    case OvmsAction::kAddToConfig:
    case OvmsAction::kRemoveFromConfig: return edit_config(request, context);
    case OvmsAction::kConfigure: return configure(request, context);
    case OvmsAction::kPull: break;
  }
  return make_error(Code::kInternal, "a pull is no action on files");
}

int run_ovms(const OvmsCommandArguments& arguments, CommandContext& context) {
  PullArguments pull;
  pull.ovms = arguments.ovms;
  pull.ovms.flags.insert(arguments.flag);
  const auto request = ovms_request(pull, context.variables);
  if (!request) return report_error(context, arguments.command, request.error());
  return finish(context, arguments.command, act_as_ovms(*request, context));
}

}  // namespace castool::tools
