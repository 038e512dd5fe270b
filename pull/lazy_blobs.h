// Blobs that are read while they arrive, for one mount: one LazyBlob for each blob and origin,
// however many have it open.
//
// Nothing talks to an origin, and no thread is begun, before somebody wants a byte that is not
// here. Blobs are completed in the background as --fill says, a few at a time.
//
// Safe from any thread. Readers end before this goes; it ends what runs, within a second or so.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/mutex.h"
#include "cas/ref_store.h"
#include "pull/lazy_blob.h"
#include "pull/read_rights.h"

namespace castool::pull {

class LazyBlobs;

// A blob that one reader has open. Dropping it ends what was begun for its readers.
class LazyReader {
 public:
  LazyReader(LazyBlobs& blobs, std::shared_ptr<LazyBlob> blob);
  ~LazyReader();
  LazyReader(const LazyReader&) = delete;
  LazyReader& operator=(const LazyReader&) = delete;
  [[nodiscard]] LazyBlob& blob() const { return *blob_; }

 private:
  LazyBlobs& blobs_;
  std::shared_ptr<LazyBlob> blob_;
};

class LazyBlobs final : public LazyOwner {
 public:
  // `limits` are those of each endpoint. Everything outlives this.
  LazyBlobs(cas::Store& store, cas::RefStore& refs, const Origins& origins,
            Networks::MakeTransport make, const fetch::DownloadLimits& limits, LazyOptions options,
            base::Clock& clock, base::Log& log);
  ~LazyBlobs() override;

  // Reads of what is beyond the namespace's quota get kQuota.
  //
  // kDigestMismatch for a blob of which no right bytes were to be had a short while ago; else the
  // errors of LazyBlob::open.
  [[nodiscard]] base::Result<std::shared_ptr<LazyReader>> open(const BlobHome& home,
                                                               const base::Digest& digest,
                                                               std::uint64_t size);
  struct Status {
    bool damaged = false;
    std::uint64_t present = 0;
  };
  [[nodiscard]] Status status(const BlobHome& home, const base::Digest& digest);
  // Completes it in the background, in turn.
  void fill(const BlobHome& home, const base::Digest& digest, std::uint64_t size);

  void wants_fill(LazyBlob& blob) override;
  void fill_ended(LazyBlob& blob) override;
  void verified(LazyBlob& blob) override;
  void spoilt(LazyBlob& blob, Spoilt how, const base::Error& error) override;
  void may_be_idle(LazyBlob& blob) override;
  void may_be_idle(std::shared_ptr<LazyBlob> blob) override;

 private:
  using Key = std::pair<base::Digest, std::string>;  // and origin
  struct Damage {
    base::Error error;
    base::Clock::Monotonic until;
  };

  [[nodiscard]] base::Result<std::shared_ptr<LazyBlob>> blob_of(const BlobHome& home,
                                                                const base::Digest& digest,
                                                                std::uint64_t size);
  [[nodiscard]] std::optional<base::Error> known_damage(const Key& key) CASTOOL_REQUIRES(mutex_);
  [[nodiscard]] static Key key_of(const LazyBlob& blob);
  void queue_fill(std::shared_ptr<LazyBlob> blob);
  void begin_fills();
  // The first that has its turn; null when all that want one have to wait.
  [[nodiscard]] std::shared_ptr<LazyBlob> next_fill() CASTOOL_EXCLUDES(mutex_);
  void drop_if_idle(const Key& key, const LazyBlob* which);
  void note_complete();

  cas::Store& store_;
  cas::RefStore& refs_;
  const Origins& origins_;
  base::Clock& clock_;
  base::Log& log_;
  const LazyOptions options_;
  Networks networks_;
  PinnedSources sources_;
  ReadRights rights_;
  FillGate gate_;
  FillAllowance allowance_;
  TaskThread deliveries_;
  TaskThread chores_;  // what may wait for the disk

  base::Mutex mutex_;
  std::map<Key, std::shared_ptr<LazyBlob>> blobs_ CASTOOL_GUARDED_BY(mutex_);
  std::map<Key, Damage> damaged_ CASTOOL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<LazyBlob>> to_fill_ CASTOOL_GUARDED_BY(mutex_);
  std::map<const LazyBlob*, std::string> filling_ CASTOOL_GUARDED_BY(mutex_);  // and endpoint
  std::set<base::Digest> verified_ CASTOOL_GUARDED_BY(mutex_);  // not noted in refs yet
};

}  // namespace castool::pull
