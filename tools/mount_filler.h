// The other side of a mount's seam for blobs that are read while they arrive: pull::LazyBlobs as
// fusefs wants to see it.
#pragma once

#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "fusefs/blob_filler.h"
#include "fusefs/store_blobs.h"
#include "pull/lazy_blobs.h"
#include "pull/read_rights.h"

namespace castool::tools {

// `rights` as fusefs asks for them; they outlive whoever asks.
[[nodiscard]] fusefs::MayRead reads_by(pull::ReadRights& rights);

// Safe from any thread. Everything given to it outlives it, and it the mount.
class MountFiller final : public fusefs::BlobFiller {
 public:
  explicit MountFiller(pull::LazyBlobs& blobs) : blobs_(blobs) {}

  [[nodiscard]] base::Result<std::shared_ptr<fusefs::FillingBlob>> open(
      const fusefs::WantedBlob& blob) override;
  [[nodiscard]] fusefs::BlobStatus status(const fusefs::WantedBlob& blob) override;

 private:
  pull::LazyBlobs& blobs_;
};

// --fill all: completes every model of the namespace that is here in part, now and whenever one
// appears, on a thread of its own.
class FillAll {
 public:
  FillAll(cas::Store& store, const cas::RefStore& refs, pull::LazyBlobs& blobs, base::Log& log);

 private:
  void follow(const std::stop_token& stop);
  void look();

  cas::Store& store_;
  const cas::RefStore& refs_;
  pull::LazyBlobs& blobs_;
  base::Log& log_;
  std::jthread thread_;
};

}  // namespace castool::tools
