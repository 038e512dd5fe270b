#include "pull/puller.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/hasher.h"
#include "cas/lease.h"
#include "manifest/ovms_graph.h"
#include "pull/attach.h"
#include "pull/attachments.h"
#include "pull/fetch_model.h"
#include "pull/hub_source.h"
#include "pull/leased_plan.h"
#include "pull/model_blobs.h"
#include "pull/offline.h"
#include "pull/ollama_source.h"
#include "pull/ovms_task.h"
#include "pull/pull_plan.h"
#include "pull/read_rights.h"
#include "pull/ref_completion.h"
#include "pull/ref_update.h"
#include "pull/registry_client.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Result;
using base::Status;

Result<std::unique_ptr<ModelSource>> make_source(const PullContext& context,
                                                 const PullRequest& request) {
  const Origins& origins = context.origins;
  if (const auto* hub = std::get_if<manifest::HubSource>(&request.source)) {
    CASTOOL_ASSIGN(auto access, hub_access(origins.hub_endpoint, origins.hub_token));
    return make_hub_source(*hub, {request.include, request.exclude}, std::move(access),
                           context.http, context.clock);
  }
  const auto& ollama = std::get<manifest::OllamaSource>(request.source);
  CASTOOL_ASSIGN(const auto base, registry_base(ollama, origins, request.plain_http));
  return make_ollama_source(ollama, base, origins.ollama_key_path, context.http, context.clock,
                            context.log);
}

Result<std::string> name_of(const PullRequest& request) {
  if (request.name) return manifest::parse_custom_name(*request.name);
  return manifest::ref_name(request.source);
}

// A model without a file that was asked for by name is not the model that was meant.
Status check_required(const RemoteModel& model, const std::vector<std::string>& required) {
  for (const std::string& path : required) {
    const bool there = std::any_of(model.files.begin(), model.files.end(),
                                   [&](const RemoteFile& file) { return file.path == path; });
    if (!there) {
      return base::make_error(base::Code::kNotFound,
                              fmt::format("the repository has no file {}", printable(path)));
    }
  }
  return base::ok();
}

std::uint64_t total_bytes(const PullPlan& plan) {
  std::uint64_t bytes = 0;
  for (const auto& blob : plan.blobs) bytes += blob.size;
  return bytes;
}

Result<std::optional<manifest::RefRecord>> old_record(const PullContext& context,
                                                      const std::string& name) {
  CASTOOL_ASSIGN(const auto text, context.refs.get(name));
  if (!text) return std::optional<manifest::RefRecord>();
  auto record = manifest::parse_ref_record(*text);
  if (record) return std::optional<manifest::RefRecord>(*std::move(record));
  context.log.warn("{}: its record is unreadable and is written anew: {}", name,
                   record.error().message);
  return std::optional<manifest::RefRecord>();
}

// What a dry run tells: the model's files, and those that its options bring along.
Result<PullOutcome> planned_outcome(const PullContext& context, const PullRequest& request,
                                    const std::string& name, const RemoteModel& model,
                                    const PullPlan& plan, std::stop_token stop) {
  PullOutcome outcome;
  outcome.name = name;
  outcome.revision = model.revision;
  outcome.planned = planned_files(model, plan);
  outcome.files = outcome.planned.size();
  outcome.bytes = total_bytes(plan);
  CASTOOL_ASSIGN(const auto old, old_record(context, name));
  CASTOOL_RETURN_IF_ERROR(
      plan_attachments(context, updated_options(old, request), outcome.planned, stop));
  return outcome;
}

// One pull with its model resolved and its plan made.
class Run {
 public:
  Run(const PullContext& context, const PullRequest& request, std::string name, ModelSource& source,
      const RemoteModel& model, const PullPlan& plan)
      : context_(context),
        request_(request),
        name_(std::move(name)),
        source_(source),
        model_(model),
        plan_(plan) {}

  Result<PullOutcome> carry_out(PullEvents& events, std::stop_token stop) {
    CASTOOL_ASSIGN(old_, old_record(context_, name_));
    pulled_.options = updated_options(old_, request_);
    if (request_.task_wanted == TaskWanted::kAlways) {
      CASTOOL_RETURN_IF_ERROR(find_task(stop));
    }
    CASTOOL_RETURN_IF_ERROR(
        attach_models(context_, request_, pulled_.options, pulled_.attachments, events, stop));
    const FetchPace pace{request_.recheck, request_.connections};
    CASTOOL_ASSIGN(const FetchedModel fetched,
                   fetch_model(context_, source_, model_, plan_, pace, events, stop));
    events.on_status("verifying sha256 digest");
    if (stop.stop_requested()) return cancelled_error();
    events.on_status("writing manifest");
    return publish(fetched, stop);
  }

 private:
  // Storing again what the ref names already, and is durable for that reason, would cost two waits
  // for the disk.
  Result<base::Digest> store_manifest(const std::string& bytes, const std::stop_token& stop) {
    const base::Digest digest = base::Sha256::of(bytes);
    CASTOOL_RETURN_IF_ERROR(context_.store.add_to_leases(digest, stop));
    CASTOOL_ASSIGN(const auto stored, context_.store.size_of(digest));
    const bool named = old_ && old_->manifest == digest && request_.recheck == Recheck::kNo;
    if (named && stored == bytes.size()) return digest;
    return context_.store.put(bytes, stop);
  }

  // Of a model that has to have one: before anything large is fetched, and good for its options.
  Status find_task(std::stop_token stop) {
    std::string task = request_.task;
    if (task.empty()) {
      CASTOOL_ASSIGN(task, ask_for_task(context_.store, source_, model_, std::move(stop)));
    }
    pulled_.task = task;
    const auto graph = manifest::ovms_graph(task, pulled_.options, "./");
    return graph ? base::ok() : Status(graph.error());
  }

  // Blobs are durable; the manifest becomes so, and then the ref that names it.
  Result<PullOutcome> publish(const FetchedModel& fetched, const std::stop_token& stop) {
    pulled_.name = name_;
    for (const auto& [digest, size] : fetched.distinct) pulled_.bytes += size;
    pulled_.now = context_.clock.wall_now();
    if (pulled_.task.empty()) pulled_.task = stored_task(context_.store, model_, fetched.digests);
    CASTOOL_ASSIGN(pulled_.manifest, store_manifest(source_.manifest_bytes(fetched.digests), stop));
    CASTOOL_ASSIGN(pulled_.presence, presence(fetched));
    if (request_.naming == Naming::kWrite) CASTOOL_RETURN_IF_ERROR(name_it());
    PullOutcome outcome;
    outcome.name = name_;
    outcome.manifest = pulled_.manifest;
    outcome.revision = model_.revision;
    outcome.files = model_.files.size();
    outcome.bytes = pulled_.bytes;
    outcome.bytes_fetched = fetched.bytes_fetched;
    // A chunk that had to come twice was not reused twice.
    outcome.bytes_reused =
        pulled_.presence.bytes - std::min(pulled_.presence.bytes, fetched.bytes_fetched);
    return outcome;
  }

  Status name_it() {
    const auto record = updated_record(old_, request_, model_, pulled_);
    CASTOOL_RETURN_IF_ERROR(context_.refs.put(name_, manifest::print_ref_record(record)));
    if (record.state != manifest::RefState::kPartial) return base::ok();
    // A reader may have completed its blobs between the look and the record.
    return complete_ref(context_.store, context_.refs, name_);
  }

  // How much of the model is here now.
  [[nodiscard]] Result<Presence> presence(const FetchedModel& fetched) const {
    std::vector<ModelBlob> blobs;
    for (const auto& [digest, size] : fetched.distinct) blobs.push_back({{}, digest, size});
    ReadRights rights(context_.store, context_.refs.ns());
    return presence_of(context_.store, blobs, model_.origin, [&](const base::Digest& digest) {
      return !fetched.left.contains(digest) || rights.may_read(model_.origin, digest);
    });
  }

  const PullContext& context_;
  const PullRequest& request_;
  const std::string name_;
  ModelSource& source_;
  const RemoteModel& model_;
  const PullPlan& plan_;
  std::optional<manifest::RefRecord> old_;
  PulledModel pulled_;
};

Result<PullOutcome> pull_online(const PullContext& context, const PullRequest& request,
                                const std::string& name, PullEvents& events, std::stop_token stop) {
  CASTOOL_ASSIGN(const auto source, make_source(context, request));
  events.on_status("pulling manifest");
  CASTOOL_ASSIGN(const auto model, source->resolve(stop));
  CASTOOL_RETURN_IF_ERROR(check_required(model, request.required));
  if (request.mode == Mode::kDryRun) {
    CASTOOL_ASSIGN(auto plan, make_plan(context.store, model, request.extent));
    CASTOOL_RETURN_IF_ERROR(
        apply_attach_rule(context.store, context.refs, name, model, request.extent, plan));
    return planned_outcome(context, request, name, model, plan, std::move(stop));
  }
  // Until the ref is there.
  CASTOOL_ASSIGN(const auto lease, cas::Lease::take(context.store, stop));
  CASTOOL_ASSIGN(const auto plan, make_leased_plan(context, model, request.extent, name, stop));
  return Run(context, request, name, *source, model, plan).carry_out(events, std::move(stop));
}

}  // namespace

Result<PullOutcome> pull(const PullContext& context, const PullRequest& request, PullEvents& events,
                         std::stop_token stop) {
  const auto began = context.clock.now();
  CASTOOL_ASSIGN(const std::string name, name_of(request));
  auto outcome = context.origins.offline
                     ? pull_offline(context, request, name)
                     : pull_online(context, request, name, events, std::move(stop));
  if (!outcome) return outcome;
  outcome->seconds = std::chrono::duration<double>(context.clock.now() - began).count();
  return outcome;
}

}  // namespace castool::pull
