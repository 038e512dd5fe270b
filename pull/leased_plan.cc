#include "pull/leased_plan.h"

#include <algorithm>

#include "cas/deliveries.h"
#include "pull/attach.h"
#include "pull/quota.h"

namespace castool::pull {

base::Result<PullPlan> make_leased_plan(const PullContext& context, const RemoteModel& model,
                                        Extent extent, const std::string& name,
                                        const std::stop_token& stop) {
  CASTOOL_ASSIGN(auto plan, make_plan(context.store, model, extent));
  for (const auto& blob : plan.blobs) {
    if (!blob.digest) continue;
    CASTOOL_RETURN_IF_ERROR(context.store.add_to_leases(*blob.digest, stop));
  }
  // What the first plan found here may have gone before it was leased.
  CASTOOL_ASSIGN(plan, make_plan(context.store, model, extent));
  CASTOOL_RETURN_IF_ERROR(
      apply_attach_rule(context.store, context.refs, name, model, extent, plan));
  CASTOOL_RETURN_IF_ERROR(check_quota_for(context.store, context.refs.ns(), name, plan));
  return plan;
}

void note_deliveries(const PullContext& context, const RemoteModel& model, const PullPlan& plan,
                     const std::vector<base::Digest>& digests) {
  const bool complete = std::none_of(plan.blobs.begin(), plan.blobs.end(), is_left);
  for (std::size_t i = 0; i < plan.blobs.size(); ++i) {
    const PlannedBlob& blob = plan.blobs[i];
    const bool by_digest = model.files[blob.files.front()].digest.has_value();
    const bool came =
        blob.route == Route::kWhole || blob.route == Route::kRanges || blob.route == Route::kProve;
    // What is known by a git id came from this origin, now or before, and is looked for by that id:
    // only a model that lacks something is asked where its blobs came from.
    const bool needed = by_digest ? came : !complete && blob.route != Route::kEmpty;
    if (!needed) continue;
    const auto noted = cas::note_delivery(context.store, model.origin, digests[i]);
    if (!noted) context.log.debug("{}", noted.error().text());
  }
}

}  // namespace castool::pull
