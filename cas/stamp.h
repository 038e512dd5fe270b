// Which blobs were compared with their checksums since this machine booted, and look untouched
// since: those may be handed to the kernel without looking at their bytes again.
//
//   stamp = sums/sha256/<2>/<64>.stamp:
//           32 hex boot id SP device SP inode SP size SP mtime SP ctime LF    (times in ns)
//
// A hint that ends with the boot: not synced, replaced whole, and anything that does not match the
// file exactly says nothing. Blobs of at most one chunk have none.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/digest.h"
#include "base/file_ops.h"
#include "base/result.h"

namespace castool::cas {

// The line for a file as it is now. Pure.
[[nodiscard]] std::string stamp_text(const std::string& boot_id, const struct stat& file);

// Says that the blob open at `fd` was compared, every byte of it. Does nothing for small blobs.
[[nodiscard]] base::Status write_stamp(base::FileOps& files, int store_dir,
                                       const base::Digest& digest, int fd);

// Whether the blob open at `fd` was compared since boot and is still that file. A small one never.
[[nodiscard]] bool has_stamp(int store_dir, const base::Digest& digest, int fd);

}  // namespace castool::cas
