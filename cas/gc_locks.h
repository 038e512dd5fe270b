// Whose turn it is between gc and those who need blobs that no ref names yet.
//
//   leases/.lock   byte 0: shared while a lease is made or added to, exclusive while gc marks and
//                  sweeps; byte 1: exclusive for the whole of a gc
//
// OFD locks: they end with the process. Both are held for seconds at most. Whoever holds byte 0 may
// take the lock of the refs (ref_lock.h); never the other way round.
#pragma once

#include <stop_token>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cas/store.h"

namespace castool::cas {

// Held until the descriptor is dropped. kBusy at once when another gc runs.
[[nodiscard]] base::Result<base::UniqueFd> lock_as_gc(Store& store);

enum class Sweeping { kNo, kYes };
// Waits for the others, at most a minute (kBusy) or until `stop` (kCancelled).
[[nodiscard]] base::Result<base::UniqueFd> lock_leases(Store& store, Sweeping sweeping,
                                                       const std::stop_token& stop);

}  // namespace castool::cas
