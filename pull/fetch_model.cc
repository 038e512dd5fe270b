#include "pull/fetch_model.h"

#include <algorithm>
#include <utility>

#include "pull/file_fetcher.h"
#include "pull/leased_plan.h"

namespace castool::pull {
namespace {

using base::Digest;
using base::Result;
using base::Status;

// The names alone do not say that this caller may have the content: one answered question about a
// file does. Where something is fetched, fetching it is that question.
Status authorise(ModelSource& source, const RemoteModel& model, const PullPlan& plan,
                 std::stop_token stop) {
  bool reuses = model.restricted;
  for (const auto& blob : plan.blobs) {
    // What a lazy pull leaves to its readers may be here in part.
    reuses = reuses || blob.route == Route::kReuse || is_left(blob);
  }
  if (!reuses || model.files.empty()) return base::ok();
  // A file whose digest is known redirects away, which is an answer in one round trip.
  const auto known = std::find_if(model.files.begin(), model.files.end(),
                                  [](const RemoteFile& file) { return file.digest.has_value(); });
  return source.authorise(known == model.files.end() ? model.files.front() : *known,
                          std::move(stop));
}

}  // namespace

std::vector<PlannedFile> planned_files(const RemoteModel& model, const PullPlan& plan) {
  std::vector<PlannedFile> planned(model.files.size());
  for (const auto& blob : plan.blobs) {
    const std::string digest = blob.digest
                                   ? blob.digest->text()
                                   : "git-sha1:" + blob.git_oid.value_or(base::GitOid()).hex();
    for (const std::size_t index : blob.files) {
      const RemoteFile& file = model.files[index];
      planned[index] = {file.path, file.size, digest, blob.route == Route::kReuse, is_left(blob)};
    }
  }
  return planned;
}

Result<FetchedModel> fetch_model(const PullContext& context, ModelSource& source,
                                 const RemoteModel& model, const PullPlan& plan,
                                 const FetchPace& pace, PullEvents& events, std::stop_token stop) {
  CASTOOL_RETURN_IF_ERROR(authorise(source, model, plan, stop));
  CASTOOL_ASSIGN(const auto wanted, bytes_needed(context.store, model, plan));
  CASTOOL_RETURN_IF_ERROR(check_free_space(context.store, wanted));
  FetchedModel fetched;
  FileFetcher fetcher(context, source, model, plan, pace.recheck);
  Result<std::vector<Digest>> blobs = std::vector<Digest>();
  {
    const ProgressTicker ticker(events, fetcher.progress(), context.clock);
    blobs = fetcher.run(pace.connections, std::move(stop));
  }
  for (const auto& file : fetcher.progress()) fetched.bytes_fetched += file->received();
  if (!blobs) return base::failure(blobs);
  fetched.digests.resize(model.files.size());
  for (std::size_t i = 0; i < plan.blobs.size(); ++i) {
    fetched.distinct[(*blobs)[i]] = plan.blobs[i].size;
    if (is_left(plan.blobs[i])) fetched.left.insert((*blobs)[i]);
    for (const std::size_t file : plan.blobs[i].files) fetched.digests[file] = (*blobs)[i];
  }
  note_deliveries(context, model, plan, *blobs);
  return fetched;
}

}  // namespace castool::pull
