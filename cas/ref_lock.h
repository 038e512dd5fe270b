// Whose turn it is to write refs, among all processes of a store.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "cas/store.h"

namespace castool::cas {

// Held until the descriptor is dropped. kBusy when somebody else holds it for ten seconds: a record
// is written in much less.
[[nodiscard]] base::Result<base::UniqueFd> lock_refs(Store& store);

}  // namespace castool::cas
