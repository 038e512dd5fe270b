// From a resolved model and its plan to blobs in the store, verified and durable.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stop_token>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "pull/model_source.h"
#include "pull/pull_plan.h"
#include "pull/puller.h"

namespace castool::pull {

struct FetchedModel {
  std::vector<base::Digest> digests;               // of each file of the model
  std::map<base::Digest, std::uint64_t> distinct;  // with their sizes
  std::set<base::Digest> left;                     // to readers, unless they had come before
  std::uint64_t bytes_fetched = 0;
};

// What a dry run says of each file of the model.
[[nodiscard]] std::vector<PlannedFile> planned_files(const RemoteModel& model,
                                                     const PullPlan& plan);

struct FetchPace {
  Recheck recheck = Recheck::kNo;
  int connections = 16;
};

// Asks whether this caller may have the content, looks for space, fetches what the store has not.
[[nodiscard]] base::Result<FetchedModel> fetch_model(const PullContext& context,
                                                     ModelSource& source, const RemoteModel& model,
                                                     const PullPlan& plan, const FetchPace& pace,
                                                     PullEvents& events, std::stop_token stop);

}  // namespace castool::pull
