#include "tools/ovms_request.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "manifest/ovms_gguf.h"
#include "manifest/ovms_graph.h"
#include "tools/output.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

constexpr const char* kRepositoryVariable = "OVMS_MODEL_REPOSITORY_PATH";

// Options that do something else than to describe the model.
constexpr std::array<std::string_view, 6> kSteering{
    "source_model", "model_repository_path", "model_path", "config_path", "model_name", "task"};

Result<OvmsAction> action_of(const OvmsArguments& ovms) {
  struct Row {
    const char* flag;
    OvmsAction action;
  };
  static constexpr std::array<Row, 3> kActions{
      {{"list_models", OvmsAction::kListModels},
       {"add_to_config", OvmsAction::kAddToConfig},
       {"remove_from_config", OvmsAction::kRemoveFromConfig}}};
  for (const Row& row : kActions) {
    if (!ovms.has(row.flag)) continue;
    if (ovms.has("pull") || ovms.values.contains("task")) {
      return make_error(Code::kUsage,
                        fmt::format("--{} cannot be used with --pull or --task", row.flag));
    }
    return row.action;
  }
  if (ovms.has("configure")) {
    if (!ovms.has("pull")) return OvmsAction::kConfigure;
    return make_error(Code::kUsage, "--configure cannot be used with --pull");
  }
  return OvmsAction::kPull;
}

// A missing source_model is the model's name, as long as that cannot be a name for something else.
Status find_source(const PullArguments& arguments, OvmsRequest& request) {
  const OvmsArguments& ovms = arguments.ovms;
  request.source_model = ovms.value("source_model");
  if (request.source_model.empty() && arguments.sources.empty() && ovms.has("pull") &&
      request.model_path.empty()) {
    request.source_model = request.model_name;
  }
  if (!request.source_model.empty() || !arguments.sources.empty()) return base::ok();
  return make_error(Code::kUsage, "source_model parameter is required for pull mode",
                    "give it with --source_model org/name");
}

bool begins_with_openvino(std::string_view id) {
  constexpr std::string_view kPrefix = "openvino/";
  return id.size() >= kPrefix.size() &&
         std::equal(kPrefix.begin(), kPrefix.end(), id.begin(), [](char want, char c) {
           return std::tolower(static_cast<unsigned char>(c)) == want;
         });
}

Status read_conversion(const PullArguments& arguments, OvmsRequest& request) {
  const OvmsArguments& ovms = arguments.ovms;
  const bool gguf = !ovms.value("gguf_filename").empty();
  for (const char* name : {"weight-format", "extra_quantization_params"}) {
    if (!ovms.values.contains(name) || gguf) continue;
    const std::string& id =
        request.source_model.empty() ? arguments.sources.front() : request.source_model;
    if (begins_with_openvino(id)) {
      return make_error(Code::kUsage,
                        fmt::format("--{} parameter unsupported for OpenVINO models (given as {})",
                                    name, printable(ovms.value(name))),
                        "they are converted already");
    }
    request.convert = true;
  }
  const std::string type = ovms.value("model_type");
  if (!type.empty() && type != "speecht5" && type != "kokoro") {
    return make_error(Code::kUsage, fmt::format("--model_type: {} is not allowed", printable(type)),
                      "supported types: speecht5, kokoro");
  }
  return base::ok();
}

Status read_model(const PullArguments& arguments, OvmsRequest& request) {
  request.task = arguments.ovms.value("task");
  if (arguments.ovms.values.contains("task")) {
    CASTOOL_RETURN_IF_ERROR(manifest::check_ovms_task(request.task));
  }
  for (const OvmsOption& option : ovms_options()) {
    const auto given = arguments.ovms.values.find(option.name);
    if (given == arguments.ovms.values.end() || option.use == OvmsUse::kServing) continue;
    if (std::ranges::find(kSteering, option.name) != kSteering.end()) continue;
    request.options.emplace(given->first, given->second);
  }
  // Stays with the model, for its updates.
  if (request.convert && arguments.ovms.has("allow-remote-code")) {
    request.options["allow-remote-code"] = "true";
  }
  if (const std::string gguf = arguments.ovms.value("gguf_filename"); !gguf.empty()) {
    CASTOOL_ASSIGN(request.gguf_files, manifest::gguf_parts(gguf));
    if (request.task.empty()) request.task = "text_generation";  // what alone can load one
  }
  if (request.task.empty()) return base::ok();
  // Any graph tells whether the options fit; where the model's files are does not matter to that.
  const auto graph = manifest::ovms_graph(request.task, request.options, "./");
  return graph ? base::ok() : Status(graph.error());
}

}  // namespace

Result<OvmsRequest> ovms_request(const PullArguments& arguments, const Variables& variables) {
  const OvmsArguments& ovms = arguments.ovms;
  OvmsRequest request;
  CASTOOL_ASSIGN(request.action, action_of(ovms));
  request.as_ovms = ovms.has("pull") || ovms.values.contains("source_model");
  request.model_name = ovms.value("model_name");
  request.model_path = ovms.value("model_path");
  request.config_path = ovms.value("config_path");
  request.overwrite = ovms.has("overwrite_models");
  std::string repository = ovms.value("model_repository_path");
  const bool wanted = request.as_ovms || request.action != OvmsAction::kPull;
  if (repository.empty() && wanted) repository = variable(variables, kRepositoryVariable);
  if (!repository.empty()) {
    if (request.config_path.empty()) request.config_path = repository + "/config.json";
    request.repository_path = std::move(repository);
  }
  if (request.action == OvmsAction::kPull) {
    CASTOOL_RETURN_IF_ERROR(find_source(arguments, request));
    request.as_ovms = request.as_ovms || !request.source_model.empty();
    CASTOOL_RETURN_IF_ERROR(read_conversion(arguments, request));
  }
  CASTOOL_RETURN_IF_ERROR(read_model(arguments, request));
  return request;
}

}  // namespace castool::tools
