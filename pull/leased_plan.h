// A plan that holds while it is carried out: no gc takes what it counts on, the namespace may have
// what it reuses, and its quota allows the rest.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "pull/pull_plan.h"

namespace castool::pull {

// The caller holds a cas::Lease of the same store until what it fetches has a ref. `name` is the
// ref that is about to be replaced, or empty. kQuota and make_plan()'s errors.
[[nodiscard]] base::Result<PullPlan> make_leased_plan(const PullContext& context,
                                                      const RemoteModel& model, Extent extent,
                                                      const std::string& name,
                                                      const std::stop_token& stop);

// What came from the origin, or what it has shown to have, needs no proof the next time.
// `digests` are those of the plan's blobs.
void note_deliveries(const PullContext& context, const RemoteModel& model, const PullPlan& plan,
                     const std::vector<base::Digest>& digests);

}  // namespace castool::pull
