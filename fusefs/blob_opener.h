// Where the bytes of a blob come from: the seam between the mount and the store.
//
// Safe from any thread; outlives the mount that uses it. Calls may block on the local disk, never
// on the network.
#pragma once

#include <sys/statvfs.h>

#include <cstdint>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::fusefs {

enum class BlobState { kAbsent, kPartial, kVerified, kDamaged };

struct BlobStatus {
  BlobState state = BlobState::kAbsent;
  std::uint64_t present = 0;  // bytes
};

class BlobOpener {
 public:
  virtual ~BlobOpener() = default;
  // A verified blob, readable until it is dropped, even when the store removes its name.
  [[nodiscard]] virtual base::Result<cas::Blob> open(const base::Digest& digest) = 0;
  [[nodiscard]] virtual base::Result<BlobStatus> status(const base::Digest& digest) = 0;
  // Of the file system that holds the blobs.
  [[nodiscard]] virtual base::Result<struct statvfs> space() = 0;
};

}  // namespace castool::fusefs
