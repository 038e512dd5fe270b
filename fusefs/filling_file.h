// A blob that arrives while it is read, as one node of the mount has it open.
//
// What want() said is there is given out from a mapping of the file that it arrives in. Once a byte
// that was given out has turned out wrong, nothing is given out any more. Safe from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/byte_range.h"
#include "base/mutex.h"
#include "base/result.h"
#include "fusefs/blob_filler.h"
#include "fusefs/known_nodes.h"
#include "fusefs/mapped_bytes.h"
#include "fusefs/slice.h"

namespace castool::fusefs {

class FillingFile : public std::enable_shared_from_this<FillingFile> {
 public:
  // Who it is: the node, and a number that no other one of the mount has.
  struct Self {
    NodeId id = 0;
    KnownNodes::Giver giver = 0;
  };
  [[nodiscard]] static base::Result<std::shared_ptr<FillingFile>> open(BlobFiller& filler,
                                                                       const WantedBlob& wanted,
                                                                       Self self);
  ~FillingFile();
  FillingFile(const FillingFile&) = delete;
  FillingFile& operator=(const FillingFile&) = delete;

  [[nodiscard]] const Self& self() const { return self_; }
  [[nodiscard]] const WantedBlob& wanted() const { return wanted_; }
  [[nodiscard]] FillingBlob& blob() { return *blob_; }
  [[nodiscard]] base::ByteRange clip(std::uint64_t offset, std::size_t size) const {
    return base::ByteRange{offset, size}.intersect({0, wanted_.size});
  }

  // Hears once what becomes of the blob (FillingBlob::settled), unless this is gone by then.
  void watch(FillingBlob::Done done);

  // A range that want() said is there; nothing once poisoned.
  [[nodiscard]] std::optional<Slice> slice(const base::ByteRange& range);
  // True for the first range that is given out of a blob that is not verified.
  [[nodiscard]] bool first_unsure() { return !verified_ && !gave_out_.exchange(true); }
  void set_verified() { verified_ = true; }

  // From now on nothing is given out; true the first time.
  [[nodiscard]] bool poison();
  [[nodiscard]] bool poisoned() const;
  // After poison(): calls `then` once no slice is out any more, at once when none is.
  void when_idle(std::function<void()> then);

  // Whether a failure is worth a line in the log: one in ten seconds.
  [[nodiscard]] bool log_now();

 private:
  FillingFile(std::shared_ptr<FillingBlob> blob, WantedBlob wanted, Self self);
  void slice_is_back();

  const std::shared_ptr<FillingBlob> blob_;
  const WantedBlob wanted_;
  const Self self_;
  const MappedBytes mapped_;
  FillingBlob::Ticket watching_ = 0;  // set before anybody else has this
  std::atomic<bool> verified_{false};
  std::atomic<bool> gave_out_{false};
  std::atomic<std::int64_t> quiet_until_{0};  // on the steady clock

  mutable base::Mutex mutex_;
  std::uint64_t out_ CASTOOL_GUARDED_BY(mutex_) = 0;
  bool poisoned_ CASTOOL_GUARDED_BY(mutex_) = false;
  std::function<void()> then_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs
