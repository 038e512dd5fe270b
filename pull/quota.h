// What a namespace holds against what it may hold. A blob that several namespaces have is charged
// to each of them in full, and once to each however many of its models have it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"
#include "pull/pull_plan.h"

namespace castool::pull {

using Charges = std::unordered_map<base::Digest, std::uint64_t>;

// What the namespace's refs hold: stored blobs, and of unfinished ones what is here. `except` is a
// ref that is about to be replaced, or empty. A manifest that cannot be read charges nothing.
[[nodiscard]] base::Result<Charges> charges_of(const cas::Store& store, const std::string& ns,
                                               const std::string& except);
[[nodiscard]] std::uint64_t total(const Charges& charges);

// kQuota when `more` on top of `held` is above `limit`. Pure.
[[nodiscard]] base::Status check_quota(const Charges& held, const Charges& more,
                                       std::uint64_t unnamed_bytes, std::uint64_t limit,
                                       const std::string& ns);

// Whether the namespace may have one more blob.
[[nodiscard]] base::Status check_quota_of(const cas::Store& store, const std::string& ns,
                                          const base::Digest& digest, std::uint64_t size);

// Whether the namespace may have what the plan brings now, under the ref `name`.
[[nodiscard]] base::Status check_quota_for(const cas::Store& store, const std::string& ns,
                                           const std::string& name, const PullPlan& plan);

}  // namespace castool::pull
