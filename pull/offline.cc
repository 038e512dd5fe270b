#include "pull/offline.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "manifest/ovms_graph.h"
#include "manifest/ovms_options.h"
#include "pull/model_blobs.h"
#include "pull/ref_update.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Error;
using base::make_error;
using base::Result;

Error offline_error(std::string why) {
  return make_error(Code::kUnavailable, "offline, and " + std::move(why),
                    "unset HF_HUB_OFFLINE to ask the origin");
}

// A commit, or what the last pull asked for.
bool has_revision(const manifest::RefRecord& record, const manifest::Source& was,
                  const manifest::Source& wanted) {
  const auto* hub = std::get_if<manifest::HubSource>(&wanted);
  return was == wanted || (hub != nullptr && hub->revision == record.revision);
}

Result<std::vector<PlannedFile>> listed_files(const cas::Store& store,
                                              const manifest::RefRecord& record) {
  std::vector<PlannedFile> files;
  CASTOOL_ASSIGN(const auto blobs, model_blobs(store, record.kind, record.manifest));
  for (const ModelBlob& blob : blobs) {
    CASTOOL_ASSIGN(const auto size, store.size_of(blob.digest));
    files.push_back({blob.path, blob.size, blob.digest.text(), size == blob.size, false});
  }
  return files;
}

// What a pull changes besides files needs no origin, unless it brings other repositories along.
base::Status change_options(const PullContext& context, const PullRequest& request,
                            const manifest::RefRecord& record, const std::string& bytes) {
  manifest::RefRecord changed = record;
  changed.options = updated_options(record, request);
  if (!request.task.empty()) changed.task = request.task;
  if (!request.served_name.empty()) changed.served_name = request.served_name;
  for (const char* bringing : {"draft_source_model", "source_loras"}) {
    const auto now = manifest::option(changed.options, bringing);
    if (now && now != manifest::option(record.options, bringing)) {
      return offline_error(std::string("option ") + bringing + " names what was not pulled here");
    }
    if (!now && record.options.contains(bringing)) {
      const bool adapters = std::string_view(bringing) == "source_loras";
      std::erase_if(changed.attachments, [adapters](const manifest::Attachment& attachment) {
        return attachment.path.starts_with("loras/") == adapters;
      });
    }
  }
  if (!changed.task.empty()) {
    CASTOOL_RETURN_IF_ERROR(manifest::ovms_graph(changed.task, changed.options, "./"));
  }
  const std::string printed = manifest::print_ref_record(changed);
  if (printed == manifest::print_ref_record(record)) return base::ok();
  CASTOOL_ASSIGN(const bool replaced, context.refs.replace_if(record.name, bytes, printed));
  if (replaced) return base::ok();
  return make_error(Code::kBusy, record.name + " was changed meanwhile", "run it again");
}

}  // namespace

Result<PullOutcome> pull_offline(const PullContext& context, const PullRequest& request,
                                 const std::string& name) {
  CASTOOL_ASSIGN(const auto text, context.refs.get(name));
  if (!text) return offline_error(name + " was never pulled here");
  CASTOOL_ASSIGN(const auto record, manifest::parse_ref_record(*text));
  const auto was = manifest::parse_source(record.source);
  if (!was || !same_model(*was, request.source)) {
    return offline_error(fmt::format("{} is {} here", name, record.source));
  }
  if (!has_revision(record, *was, request.source)) {
    return offline_error(
        fmt::format("{} is here as {}, revision {}", name, record.source, record.revision));
  }
  if (record.state != manifest::RefState::kComplete) {
    return offline_error(name + " is not complete here");
  }
  if (request.mode == Mode::kFetch) {
    CASTOOL_RETURN_IF_ERROR(change_options(context, request, record, *text));
  }
  PullOutcome outcome;
  CASTOOL_ASSIGN(outcome.planned, listed_files(context.store, record));
  for (const auto& file : outcome.planned) {
    if (!file.present) return offline_error(fmt::format("{} lacks {}", name, file.digest));
  }
  outcome.name = name;
  outcome.manifest = record.manifest;
  outcome.revision = record.revision;
  outcome.files = outcome.planned.size();
  outcome.bytes = record.bytes;
  outcome.bytes_reused = record.bytes;
  if (request.mode != Mode::kDryRun) outcome.planned.clear();
  return outcome;
}

}  // namespace castool::pull
