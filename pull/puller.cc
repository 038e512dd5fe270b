#include "pull/puller.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "manifest/manifest.h"
#include "pull/file_fetcher.h"
#include "pull/hub_source.h"
#include "pull/model_blobs.h"
#include "pull/offline.h"
#include "pull/ollama_source.h"
#include "pull/pull_plan.h"
#include "pull/ref_completion.h"
#include "pull/ref_update.h"
#include "pull/registry_client.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Digest;
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

std::uint64_t total_bytes(const PullPlan& plan) {
  std::uint64_t bytes = 0;
  for (const auto& blob : plan.blobs) bytes += blob.size;
  return bytes;
}

// The names alone do not say that this caller may have the content: one answered question about a
// file does. Where something is fetched, fetching it is that question.
Status authorise(ModelSource& source, const RemoteModel& model, const PullPlan& plan,
                 std::stop_token stop) {
  bool reuses = model.restricted;
  for (const auto& blob : plan.blobs) {
    // What a lazy pull leaves to its readers may be here in part.
    reuses = reuses || blob.route == Route::kReuse || blob.route == Route::kLater;
  }
  if (!reuses || model.files.empty()) return base::ok();
  // A file whose digest is known redirects away, which is an answer in one round trip.
  const auto known = std::find_if(model.files.begin(), model.files.end(),
                                  [](const RemoteFile& file) { return file.digest.has_value(); });
  return source.authorise(known == model.files.end() ? model.files.front() : *known,
                          std::move(stop));
}

PullOutcome planned_outcome(const RemoteModel& model, const PullPlan& plan) {
  PullOutcome outcome;
  outcome.revision = model.revision;
  outcome.files = model.files.size();
  outcome.bytes = total_bytes(plan);
  outcome.planned.resize(model.files.size());
  for (const auto& blob : plan.blobs) {
    const std::string digest = blob.digest
                                   ? blob.digest->text()
                                   : "git-sha1:" + blob.git_oid.value_or(base::GitOid()).hex();
    for (const std::size_t index : blob.files) {
      const RemoteFile& file = model.files[index];
      outcome.planned[index] = {file.path, file.size, digest, blob.route == Route::kReuse,
                                blob.route == Route::kLater};
    }
  }
  return outcome;
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
    CASTOOL_RETURN_IF_ERROR(authorise(source_, model_, plan_, stop));
    CASTOOL_ASSIGN(const auto wanted, bytes_needed(context_.store, model_, plan_));
    CASTOOL_RETURN_IF_ERROR(check_free_space(context_.store, wanted));
    CASTOOL_ASSIGN(const auto digests, fetch(events, stop));
    events.on_status("verifying sha256 digest");
    if (stop.stop_requested()) return cancelled_error();
    events.on_status("writing manifest");
    return publish(digests);
  }

 private:
  // The digest of each file of the model.
  Result<std::vector<Digest>> fetch(PullEvents& events, std::stop_token stop) {
    FileFetcher fetcher(context_, source_, model_, plan_, request_.recheck);
    Result<std::vector<Digest>> blobs = std::vector<Digest>();
    {
      const ProgressTicker ticker(events, fetcher.progress(), context_.clock);
      blobs = fetcher.run(request_.connections, std::move(stop));
    }
    for (const auto& file : fetcher.progress()) bytes_fetched_ += file->received();
    if (!blobs) return base::failure(blobs);
    std::vector<Digest> digests(model_.files.size());
    for (std::size_t i = 0; i < plan_.blobs.size(); ++i) {
      distinct_[(*blobs)[i]] = plan_.blobs[i].size;
      for (const std::size_t file : plan_.blobs[i].files) digests[file] = (*blobs)[i];
    }
    return digests;
  }

  // Blobs are durable; the manifest becomes so, and then the ref that names it.
  Result<PullOutcome> publish(const std::vector<Digest>& digests) {
    PulledModel pulled;
    pulled.name = name_;
    for (const auto& [digest, size] : distinct_) pulled.bytes += size;
    pulled.now = context_.clock.wall_now();
    CASTOOL_ASSIGN(pulled.manifest, context_.store.put(source_.manifest_bytes(digests)));
    CASTOOL_ASSIGN(pulled.presence, presence());
    CASTOOL_ASSIGN(const auto old, old_record(context_, name_));
    const auto record = updated_record(old, request_, model_, pulled);
    CASTOOL_RETURN_IF_ERROR(context_.refs.put(name_, manifest::print_ref_record(record)));
    if (record.state == manifest::RefState::kPartial) {
      // A reader may have completed its blobs between the look and the record.
      CASTOOL_RETURN_IF_ERROR(complete_ref(context_.store, context_.refs, name_));
    }
    PullOutcome outcome;
    outcome.name = name_;
    outcome.manifest = pulled.manifest;
    outcome.revision = model_.revision;
    outcome.files = model_.files.size();
    outcome.bytes = pulled.bytes;
    outcome.bytes_fetched = bytes_fetched_;
    // A chunk that had to come twice was not reused twice.
    outcome.bytes_reused = pulled.presence.bytes - std::min(pulled.presence.bytes, bytes_fetched_);
    return outcome;
  }

  // How much of the model is here now.
  [[nodiscard]] Result<Presence> presence() const {
    std::vector<ModelBlob> blobs;
    for (const auto& [digest, size] : distinct_) blobs.push_back({{}, digest, size});
    return presence_of(context_.store, blobs, model_.origin);
  }

  const PullContext& context_;
  const PullRequest& request_;
  const std::string name_;
  ModelSource& source_;
  const RemoteModel& model_;
  const PullPlan& plan_;
  std::map<Digest, std::uint64_t> distinct_;
  std::uint64_t bytes_fetched_ = 0;
};

Result<PullOutcome> pull_online(const PullContext& context, const PullRequest& request,
                                const std::string& name, PullEvents& events, std::stop_token stop) {
  CASTOOL_ASSIGN(const auto source, make_source(context, request));
  events.on_status("pulling manifest");
  CASTOOL_ASSIGN(const auto model, source->resolve(stop));
  CASTOOL_ASSIGN(const auto plan, make_plan(context.store, model, request.extent));
  if (request.mode == Mode::kDryRun) {
    auto outcome = planned_outcome(model, plan);
    outcome.name = name;
    return outcome;
  }
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
