// The last step of every way into the store: giving verified, synced bytes their name under blobs/.
#pragma once

#include <string>

#include "base/digest.h"
#include "base/file_ops.h"
#include "base/result.h"

namespace castool::cas {

enum class Placed { kNew, kAlreadyThere };

// Renames `from` (below `from_dir`; verified, synced, mode 0444) to the blob's name without
// replacing, then syncs the directory. kAlreadyThere leaves `from` where it was; the blob's name is
// durable in both cases. After an error the name is not there, as far as the disk still lets us say
// that.
[[nodiscard]] base::Result<Placed> place_blob(base::FileOps& files, int store_dir, int from_dir,
                                              const std::string& from, const base::Digest& digest);

}  // namespace castool::cas
