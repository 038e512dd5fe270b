#include "tools/model_options.h"

#include <algorithm>
#include <utility>

#include "manifest/ovms_gguf.h"
#include "manifest/ovms_graph.h"
#include "pull/attachments.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Status;

Status keep_attachments(manifest::RefRecord& record) {
  // Addresses make a path of their own, whichever Hub they are of.
  CASTOOL_ASSIGN(const auto wanted, pull::wanted_attachments(record.options, ""));
  std::vector<manifest::Attachment> kept;
  for (const pull::WantedAttachment& want : wanted) {
    const auto found =
        std::ranges::find(record.attachments, want.path, &manifest::Attachment::path);
    if (found == record.attachments.end()) {
      return make_error(Code::kUsage, want.path + " is not here",
                        "castool pull with the same option brings it");
    }
    kept.push_back(*found);
  }
  record.attachments = std::move(kept);
  return base::ok();
}

}  // namespace

Status change_options(const OvmsArguments& arguments, manifest::RefRecord& record) {
  manifest::RefRecord changed = record;
  for (const auto& [name, value] : arguments.values) {
    if (name == "model_name") {
      changed.served_name = value;
    } else if (name == "task") {
      if (!value.empty()) CASTOOL_RETURN_IF_ERROR(manifest::check_ovms_task(value));
      changed.task = value;
    } else if (value.empty()) {
      changed.options.erase(name);
    } else {
      changed.options[name] = value;
    }
  }
  if (const auto gguf = changed.options.find("gguf_filename"); gguf != changed.options.end()) {
    CASTOOL_RETURN_IF_ERROR(manifest::gguf_parts(gguf->second));
  }
  CASTOOL_RETURN_IF_ERROR(keep_attachments(changed));
  const bool ollama = changed.kind == manifest::ModelKind::kOllama;
  const std::string task = changed.task.empty() && ollama ? "text_generation" : changed.task;
  if (task.empty() && !changed.options.empty()) {
    return make_error(Code::kUsage, "the model has no task", "give one with --task");
  }
  if (!task.empty()) {
    const auto graph = manifest::ovms_graph(task, changed.options, "./");
    if (!graph) return base::failure(graph);
  }
  record = std::move(changed);
  return base::ok();
}

}  // namespace castool::tools
