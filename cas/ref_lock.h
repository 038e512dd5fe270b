// Whose turn it is to write refs, among all processes of a store.
#pragma once

#include <stop_token>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cas/store.h"

namespace castool::cas {

// Held until the descriptor is dropped. kBusy when somebody else holds it for ten seconds: a record
// is written in much less, and ten thousand are read in less. kCancelled on `stop`.
[[nodiscard]] base::Result<base::UniqueFd> lock_refs(Store& store, const std::stop_token& stop);

}  // namespace castool::cas
