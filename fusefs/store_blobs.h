// The mount's two seams over the real store. Both outlive what they are given to; the store
// outlives both. Safe from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cas/store.h"
#include "fusefs/blob_filler.h"
#include "fusefs/blob_opener.h"
#include "fusefs/views/view.h"

namespace castool::fusefs {

// Whether a stored blob may be read through a model that lacks some of what its manifest names.
// Safe from any thread; an empty one says no.
using MayRead = std::function<bool(const BlobHome& home, const base::Digest& digest)>;

// Whether blobs are taken as they lie in the store, or compared with their checksums once a boot.
enum class Trust { kCheck, kStore };

// Blobs that nobody has verified since the machine booted are checked as they are read, and the
// rest of them on a thread of its own, one at a time, so that later opens need no look.
class StoreBlobs final : public BlobOpener {
 public:
  StoreBlobs(cas::Store& store, Trust trust, MayRead may_read)
      : store_(store), trust_(trust), may_read_(std::move(may_read)) {}
  ~StoreBlobs() override;

  base::Result<OpenedBlob> open(const BlobContent& wanted) override;
  base::Result<OpenedBlob> open_again(cas::Blob blob) override;
  [[nodiscard]] bool needs_no_look(const BlobContent& wanted) override;
  void found_damaged(const cas::Blob& blob, const base::Error& error) override;
  base::Result<BlobStatus> status(const BlobContent& wanted) override;
  base::Result<struct statvfs> space() override;

 private:
  [[nodiscard]] std::shared_ptr<cas::CheckedBlob> checks_for(cas::Blob blob);
  void check_later(const std::shared_ptr<cas::CheckedBlob>& blob);
  void check_in_turn(const std::stop_token& stop);

  cas::Store& store_;
  const Trust trust_;
  const MayRead may_read_;
  base::Mutex mutex_;
  base::CondVar changed_;
  // What is being checked, so that all who have a blob open share the result.
  std::map<base::Digest, std::weak_ptr<cas::CheckedBlob>> checks_ CASTOOL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<cas::CheckedBlob>> waiting_ CASTOOL_GUARDED_BY(mutex_);
  std::jthread checker_ CASTOOL_GUARDED_BY(mutex_);
};

// Says in the log which manifest could not be read.
class StoreManifests final : public ManifestSource {
 public:
  StoreManifests(cas::Store& store, MayRead may_read)
      : store_(store), may_read_(std::move(may_read)) {}
  base::Result<std::string> load(const base::Digest& digest, std::uint64_t limit) const override;
  base::Result<std::uint64_t> size(const base::Digest& digest) const override;
  // Read once: what a blob says never changes.
  base::Result<manifest::GgufMetadata> gguf(const BlobContent& wanted) const override;

 private:
  cas::Store& store_;
  const MayRead may_read_;
  mutable base::Mutex mutex_;
  mutable std::map<base::Digest, base::Result<manifest::GgufMetadata>> ggufs_
      CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs
