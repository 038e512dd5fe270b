#include "tools/json_lines.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "api/json.h"
#include "tools/quantity.h"

namespace castool::tools {
namespace {

using Json = nlohmann::ordered_json;  // keeps the order that the contract lists

// Names and messages come from far away: bad UTF-8 is replaced, never thrown about.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json time_or_null(std::int64_t seconds) {
  return seconds <= 0 ? Json(nullptr) : Json(utc_time(seconds));
}

// Thousandths are all that a clock here means.
double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

Json ref_json(const manifest::RefRecord& record, const std::optional<std::string>& ns) {
  Json json;
  if (ns) json["namespace"] = *ns;
  json["name"] = record.name;
  json["source"] = record.source;
  json["revision"] = record.revision;
  json["manifest"] = record.manifest.text();
  json["bytes"] = record.bytes;
  json["bytes_present"] = record.bytes_present;
  json["state"] = manifest::word(record.state);
  json["pinned"] = record.pinned;
  json["pulled_at"] = time_or_null(record.pulled_at);
  json["last_used_at"] = time_or_null(record.last_used_at);
  return json;
}

}  // namespace

std::string error_object(const base::Error& error, std::string_view message) {
  Json inner;
  inner["code"] = base::word(error.code);
  inner["message"] = message;
  inner["digest"] = text_or_null(error.digest);
  inner["url"] = text_or_null(error.url);
  Json json;
  json["error"] = std::move(inner);
  return dump(json);
}

std::string status_event(std::string_view text) { return api::status_event(text); }

std::string progress_event(std::string_view label, std::string_view digest, std::uint64_t total,
                           std::uint64_t completed) {
  return api::progress_event(label, digest, total, completed);
}

std::string pull_result(const pull::PullOutcome& outcome) { return api::success_event(outcome); }

std::string planned_file(const pull::PlannedFile& file) {
  Json json;
  json["path"] = file.path;
  json["bytes"] = file.bytes;
  json["digest"] = file.digest;
  json["present"] = file.present;
  return dump(json);
}

std::string update_object(const pull::PullOutcome& outcome, const UpdateReport& report) {
  Json json;
  json["status"] = "dry-run";
  json["name"] = outcome.name;
  json["revision"] = outcome.revision;
  json["added"] = report.added;
  json["changed"] = report.changed;
  json["removed"] = report.removed;
  json["bytes_to_fetch"] = report.bytes_to_fetch;
  return dump(json);
}

std::string dry_run_result(const DryRunReport& report) {
  Json json;
  json["status"] = "dry-run";
  json["files"] = report.files;
  json["bytes"] = report.bytes;
  json["bytes_to_fetch"] = report.bytes_to_fetch;
  return dump(json);
}

std::string ref_object(const manifest::RefRecord& record, const std::optional<std::string>& ns) {
  return dump(ref_json(record, ns));
}

std::string model_object(const ModelReport& report) {
  Json json = ref_json(report.record, std::nullopt);
  Json& files = json["files"] = Json::array();
  for (const FileReport& file : report.files) {
    Json entry;
    entry["path"] = file.path;
    entry["bytes"] = file.bytes;
    entry["digest"] = file.digest.text();
    entry["state"] = word(file.state);
    files.push_back(std::move(entry));
  }
  Json& options = json["options"] = Json::object();
  if (!report.record.task.empty()) options["task"] = report.record.task;
  if (!report.record.served_name.empty()) options["model_name"] = report.record.served_name;
  for (const auto& [name, value] : report.record.options) options[name] = value;
  Json& views = json["views"] = Json::object();
  for (const auto& [layout, view] : report.views) {
    if (view.left_out.empty()) {
      views[layout] = view.path;
    } else {
      views[layout]["left_out"] = view.left_out;
    }
  }
  return dump(json);
}

std::string usage_object(const UsageReport& report) {
  Json json;
  json["logical_bytes"] = report.logical_bytes;
  json["stored_bytes"] = report.stored_bytes;
  json["saved_bytes"] = report.saved_bytes;
  json["partial_bytes"] = report.partial_bytes;
  json["free_bytes"] = report.free_bytes;
  json["blobs"] = report.blobs;
  json["refs"] = report.refs;
  return dump(json);
}

std::string removal_object(std::uint64_t refs, std::uint64_t blobs, std::uint64_t bytes) {
  Json json;
  json["removed_refs"] = refs;
  json["removed_blobs"] = blobs;
  json["freed_bytes"] = bytes;
  return dump(json);
}

std::string garbage_object(std::string_view kind, std::string_view name, std::uint64_t bytes,
                           std::string_view why) {
  Json json;
  json["would_remove"] = kind;
  json["name"] = name;
  json["bytes"] = bytes;
  json["why"] = why;
  return dump(json);
}

std::string check_object(const pull::FsckReport& report) {
  Json json;
  json["checked"] = report.checked;
  json["bytes"] = report.bytes;
  json["damaged"] = Json::array();
  for (const pull::Damage& damage : report.damaged) {
    Json one;
    one["digest"] = damage.digest ? Json(damage.digest->text()) : Json(nullptr);
    one["chunks"] = Json::array();
    for (const auto& range : damage.bad) one["chunks"].push_back({range.offset, range.length});
    one["repaired"] = damage.repaired;
    one["name"] = damage.name;
    one["problem"] = word(damage.trouble);
    json["damaged"].push_back(std::move(one));
  }
  return dump(json);
}

std::string quota_object(const std::string& ns, std::uint64_t used,
                         const std::optional<std::uint64_t>& quota) {
  Json json;
  json["namespace"] = ns;
  json["used_bytes"] = used;
  json["quota_bytes"] = quota ? Json(*quota) : Json(nullptr);
  return dump(json);
}

std::string transfer_object(const TransferReport& report) {
  Json json;
  json["digest"] = report.digest.text();
  json["done"] = report.done;
  json["total"] = report.total;
  json["bytes_per_second"] = std::llround(report.bytes_per_second);
  json["eta_seconds"] = report.eta_seconds ? Json(rounded(*report.eta_seconds)) : Json(nullptr);
  json["pids"] = report.pids;
  return dump(json);
}

}  // namespace castool::tools
