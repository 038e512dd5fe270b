// An origin whose bytes arrive when the test says so.
#pragma once

#include <future>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/hasher.h"
#include "base/mutex.h"
#include "fusefs/blob_filler.h"
#include "fusefs/fake_filling.h"

namespace castool::fusefs::testing {

class FakeFiller final : public BlobFiller {
 public:
  base::Digest put(const std::string& bytes) {
    const base::Digest digest = base::Sha256::of(std::string_view(bytes));
    const base::MutexLock lock(mutex_);
    blobs_[digest].bytes = bytes;
    return digest;
  }
  // The one that is open, or would be given to the next who opens it.
  std::shared_ptr<FakeFilling> filling(const base::Digest& digest) {
    const base::MutexLock lock(mutex_);
    return current(blobs_.at(digest));
  }
  std::shared_ptr<FakeFilling> filling_of(std::string_view bytes) {
    return filling(base::Sha256::of(bytes));
  }
  // Opens wait until the future is ready.
  void hold_open(std::shared_future<void> until) {
    const base::MutexLock lock(mutex_);
    hold_ = std::move(until);
  }
  void set_status(BlobStatus status) {
    const base::MutexLock lock(mutex_);
    status_ = status;
  }
  [[nodiscard]] int opens() const {
    const base::MutexLock lock(mutex_);
    return opens_;
  }
  [[nodiscard]] std::string last_home() const {
    const base::MutexLock lock(mutex_);
    return last_home_;
  }

  base::Result<std::shared_ptr<FillingBlob>> open(const WantedBlob& wanted) override {
    std::shared_future<void> hold;
    {
      const base::MutexLock lock(mutex_);
      hold = hold_;
    }
    if (hold.valid()) hold.wait();
    const base::MutexLock lock(mutex_);
    ++opens_;
    last_home_ = wanted.home->name;
    const auto found = blobs_.find(wanted.digest);
    if (status_.state == BlobState::kDamaged)
      return base::make_error(base::Code::kDigestMismatch, "nothing right is to be had");
    if (found == blobs_.end()) return base::make_error(base::Code::kNotFound, "no such blob");
    return std::shared_ptr<FillingBlob>(current(found->second));
  }
  BlobStatus status(const WantedBlob&) override {
    const base::MutexLock lock(mutex_);
    return status_;
  }

 private:
  struct Blob {
    std::string bytes;
    std::shared_ptr<FakeFilling> filling;
  };
  static std::shared_ptr<FakeFilling> current(Blob& blob) {
    if (!blob.filling || blob.filling->poisoned())
      blob.filling = std::make_shared<FakeFilling>(blob.bytes);
    return blob.filling;
  }
  mutable base::Mutex mutex_;
  std::map<base::Digest, Blob> blobs_ CASTOOL_GUARDED_BY(mutex_);
  BlobStatus status_ CASTOOL_GUARDED_BY(mutex_);
  std::shared_future<void> hold_ CASTOOL_GUARDED_BY(mutex_);
  int opens_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::string last_home_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs::testing
