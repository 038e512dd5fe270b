// The checksum sidecar of a blob: XXH3-64 per chunk, so that later reads are checked at memory
// speed.
//
//   sidecar = sums/sha256/<2>/<64>:
//             "CASTSUMS" u32:version(1) u32:chunk size u64:blob size 32:sha256
//             count times u64:XXH3 of the chunk, u64:XXH3 of all before     (little-endian)
//
// A sidecar is a cache: not synced, replaced whole, and as good as absent when its own check fails.
// Blobs of at most one chunk have none: hashing them with SHA-256 costs a reader no more than a
// millisecond, and a repository of hundreds of small files needs half as many files in the store.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "base/file_ops.h"
#include "base/result.h"

namespace castool::cas {

// Does nothing for blobs of at most one chunk.
[[nodiscard]] base::Status write_sums(base::FileOps& files, int store_dir,
                                      const base::Digest& digest, std::uint64_t size,
                                      const std::vector<std::uint64_t>& sums);

// nullopt: none there, damaged, or for another size.
[[nodiscard]] std::optional<std::vector<std::uint64_t>> read_sums(int store_dir,
                                                                  const base::Digest& digest,
                                                                  std::uint64_t size);

// Of a blob that is stored: from its sidecar, else from its bytes, which `fd` reads.
[[nodiscard]] base::Result<std::vector<std::uint64_t>> sums_of_stored(int store_dir,
                                                                      const base::Digest& digest,
                                                                      std::uint64_t size, int fd);

}  // namespace castool::cas
