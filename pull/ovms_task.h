// The task that OVMS would take a model for, from the metadata files of its repository.
#pragma once

#include <span>
#include <stop_token>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"
#include "pull/model_source.h"

namespace castool::pull {

// Before anything else is fetched: the few small files that tell are brought into the store. kUsage
// (as OVMS exits) when they tell of no task.
[[nodiscard]] base::Result<std::string> ask_for_task(cas::Store& store, ModelSource& source,
                                                     const RemoteModel& model,
                                                     std::stop_token stop);

// Of a model whose files are stored (digests[i] is the content of files[i]), for one that is made
// for OpenVINO; empty for every other, because a graph beside it could not load.
[[nodiscard]] std::string stored_task(const cas::Store& store, const RemoteModel& model,
                                      std::span<const base::Digest> digests);

}  // namespace castool::pull
