#include "pull/ref_update.h"

#include <algorithm>

namespace castool::pull {
namespace {

constexpr std::string_view kTextGeneration = "text_generation";

bool is_of_same_model(const manifest::RefRecord& old, const manifest::Source& source) {
  const auto was = manifest::parse_source(old.source);
  return was && same_model(*was, source);
}

}  // namespace

bool same_model(const manifest::Source& a, const manifest::Source& b) {
  const auto* hub_a = std::get_if<manifest::HubSource>(&a);
  const auto* hub_b = std::get_if<manifest::HubSource>(&b);
  if (hub_a != nullptr && hub_b != nullptr) return hub_a->repo == hub_b->repo;
  return a == b;
}

std::map<std::string, std::string> updated_options(const std::optional<manifest::RefRecord>& old,
                                                   const PullRequest& request) {
  std::map<std::string, std::string> options;
  if (old && request.options_change == OptionsChange::kAdd &&
      is_of_same_model(*old, request.source)) {
    options = old->options;
  }
  for (const auto& [option, value] : request.options) options[option] = value;
  return options;
}

std::string infer_task(const RemoteModel& model) {
  if (model.kind == manifest::ModelKind::kOllama) return std::string(kTextGeneration);
  const auto has = [&model](std::string_view path) {
    return std::any_of(model.files.begin(), model.files.end(),
                       [path](const RemoteFile& file) { return file.path == path; });
  };
  const bool pooled =
      std::any_of(model.files.begin(), model.files.end(),
                  [](const RemoteFile& file) { return file.path.starts_with("1_Pooling/"); });
  const bool language_model = has("openvino_model.xml") || has("openvino_language_model.xml");
  if (language_model && has("openvino_tokenizer.xml") && !pooled) {
    return std::string(kTextGeneration);
  }
  return {};
}

manifest::RefRecord updated_record(const std::optional<manifest::RefRecord>& old,
                                   const PullRequest& request, const RemoteModel& model,
                                   const PulledModel& pulled) {
  manifest::RefRecord record;
  record.on_demand = true;  // until somebody names it
  if (old && is_of_same_model(*old, request.source)) record = *old;
  if (request.asked == Asked::kByName) record.on_demand = false;
  record.name = pulled.name;
  record.source = manifest::source_text(request.source);
  record.origin = model.origin;
  record.revision = model.revision;
  record.kind = model.kind;
  record.state = pulled.presence.state;
  record.manifest = pulled.manifest;
  record.bytes = pulled.bytes;
  record.bytes_present = pulled.presence.bytes;
  record.files = model.files.size();
  const auto since_epoch = pulled.now.time_since_epoch();
  if (record.first_pulled_ns == 0) {
    record.first_pulled_ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
  }
  record.pulled_at = std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count();
  record.last_used_at = record.pulled_at;
  record.include = request.include;
  record.exclude = request.exclude;
  if (!request.served_name.empty()) record.served_name = request.served_name;
  if (request.options_change == OptionsChange::kReplace) record.task.clear();
  if (!request.task.empty()) record.task = request.task;
  if (record.task.empty()) record.task = pulled.task;
  if (record.task.empty()) record.task = infer_task(model);
  record.options = pulled.options;
  record.attachments = pulled.attachments;
  return record;
}

}  // namespace castool::pull
