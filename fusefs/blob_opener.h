// Where the bytes of a blob come from: the seam between the mount and the store.
//
// Safe from any thread; outlives the mount that uses it. Calls may block on the local disk, never
// on the network.
#pragma once

#include <sys/statvfs.h>

#include <cstdint>
#include <memory>

#include "base/digest.h"
#include "base/result.h"
#include "cas/checked_blob.h"
#include "cas/store.h"
#include "fusefs/file_content.h"

namespace castool::fusefs {

enum class BlobState { kAbsent, kPartial, kVerified, kDamaged };

struct BlobStatus {
  BlobState state = BlobState::kAbsent;
  std::uint64_t present = 0;  // bytes
};

// A stored blob, readable until it is dropped, even when the store removes its name.
struct OpenedBlob {
  std::shared_ptr<const cas::Blob> blob;
  // Asked about every range before it is read; null when the bytes need no look.
  std::shared_ptr<cas::CheckedBlob> checks;
};

// What is named with a home that may not read it is as good as absent.
class BlobOpener {
 public:
  virtual ~BlobOpener() = default;
  [[nodiscard]] virtual base::Result<OpenedBlob> open(const BlobContent& wanted) = 0;
  // The same for one that is open already, whatever has become of its name since.
  [[nodiscard]] virtual base::Result<OpenedBlob> open_again(cas::Blob blob) = 0;
  // Whether open() would give a blob without checks that is worth leaving to the kernel. Cheap.
  [[nodiscard]] virtual bool needs_no_look(const BlobContent& wanted) = 0;
  // A check found the blob wrong. Another file of that name, which came since, is left alone.
  virtual void found_damaged(const cas::Blob& blob, const base::Error& error) = 0;
  [[nodiscard]] virtual base::Result<BlobStatus> status(const BlobContent& wanted) = 0;
  // Of the file system that holds the blobs.
  [[nodiscard]] virtual base::Result<struct statvfs> space() = 0;
};

}  // namespace castool::fusefs
