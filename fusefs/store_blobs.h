// The mount's two seams over the real store. Both outlive what they are given to; the store
// outlives both. Safe from any thread.
#pragma once

#include "cas/store.h"
#include "fusefs/blob_opener.h"
#include "fusefs/views/view.h"

namespace castool::fusefs {

class StoreBlobs final : public BlobOpener {
 public:
  explicit StoreBlobs(cas::Store& store) : store_(store) {}
  base::Result<cas::Blob> open(const base::Digest& digest) override;
  base::Result<BlobStatus> status(const base::Digest& digest) override;
  base::Result<struct statvfs> space() override;

 private:
  cas::Store& store_;
};

// Says in the log which manifest could not be read.
class StoreManifests final : public ManifestSource {
 public:
  explicit StoreManifests(cas::Store& store) : store_(store) {}
  base::Result<std::string> load(const base::Digest& digest, std::uint64_t limit) const override;
  base::Result<std::uint64_t> size(const base::Digest& digest) const override;

 private:
  cas::Store& store_;
};

}  // namespace castool::fusefs
