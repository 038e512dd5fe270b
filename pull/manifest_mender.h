// The manifest of a ref, asked for again and stored when it is still the one that the ref names.
#pragma once

#include <cstdint>
#include <stop_token>

#include "base/result.h"
#include "cas/store.h"
#include "pull/fsck_catalogue.h"
#include "pull/networks.h"
#include "pull/puller.h"

namespace castool::pull {

// Small files that its listing knows by a git id only are fetched with it. Returns the bytes that
// were fetched. kNotFound: the origin has another one by now.
[[nodiscard]] base::Result<std::uint64_t> fetch_manifest(cas::Store& store, Networks& networks,
                                                         const Origins& origins,
                                                         const Wanted& wanted, base::Log& log,
                                                         const std::stop_token& stop);

}  // namespace castool::pull
