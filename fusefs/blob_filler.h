// Blobs that are not verified yet, read while they arrive: the seam between the mount and whatever
// fetches them (tools joins it to pull/lazy_blobs.h).
//
// Thread rule: everything is safe from any thread and takes local work only; nothing waits for the
// network. A `Done` is called exactly once, from a thread of the filler's own or from within the
// call that it was given to, with no lock held; it may take as long as a reply to the kernel takes,
// may call back into this, and may let go of the last owner of the FillingBlob.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/byte_range.h"
#include "base/digest.h"
#include "base/result.h"
#include "fusefs/blob_opener.h"
#include "manifest/ref_record.h"

namespace castool::fusefs {

// The model through which a blob is read: its origin is the one that is asked for the bytes, and
// its manifest says under which name they are there.
struct BlobHome {
  [[nodiscard]] static std::shared_ptr<const BlobHome> of(const manifest::RefRecord& record) {
    return std::make_shared<const BlobHome>(
        BlobHome{record.name, record.source, record.origin, record.revision, record.kind,
                 record.manifest, record.state == manifest::RefState::kComplete});
  }
  friend bool operator==(const BlobHome&, const BlobHome&) = default;

  std::string name;    // the ref's
  std::string source;  // manifest::RefRecord's, as all below
  std::string origin;
  std::string revision;
  manifest::ModelKind kind = manifest::ModelKind::kHub;
  base::Digest manifest;
  // All that the manifest names was obtained, so that it may be read. Else the store may have what
  // this model has no right to (BlobOpener).
  bool complete = false;
};

struct WantedBlob {
  base::Digest digest;
  std::uint64_t size = 0;
  std::shared_ptr<const BlobHome> home;
};

// One blob on its way in, shared by all who have it open here. Dropping it ends what was begun for
// its readers, not what --fill goes on with.
class FillingBlob {
 public:
  using Done = std::function<void(base::Status)>;
  using Ticket = std::uint64_t;  // 0: done has been called already

  virtual ~FillingBlob() = default;

  // For reading what want() said is there; the same and open as long as this value, also when the
  // blob is verified meanwhile. Everything else in it reads as zeros.
  [[nodiscard]] virtual int fd() const = 0;
  // ok: every byte of `range` may be given out now. Under --verify strict that is when the whole
  // blob was verified. kDigestMismatch: bytes that were given out have turned out wrong, or nothing
  // right is to be had; so is every later want() of this value. kCancelled: cancel(). kQuota: it
  // would be more than the namespace may hold (EDQUOT to readers). Anything else is the failure of
  // this read only.
  [[nodiscard]] virtual Ticket want(const base::ByteRange& range, Done done) = 0;
  // What becomes of the whole: ok once it was verified, kDigestMismatch as soon as bytes that were
  // given out have turned out wrong (or nothing right is to be had). Asks for nothing by itself.
  // The mount has to hear of it: what the kernel keeps in its cache is read without a want().
  [[nodiscard]] virtual Ticket settled(Done done) = 0;
  // What readers were given before it was verified, for the process that takes the mount over; it
  // calls go_on_from(), before any want(), so that it knows what may turn out wrong.
  [[nodiscard]] virtual std::string given_out() = 0;
  virtual void go_on_from(const std::string& given_out) = 0;
  // Nobody waits any more: `done` gets kCancelled, unless it has been called or is being called.
  virtual void cancel(Ticket ticket) = 0;
};

class BlobFiller {
 public:
  virtual ~BlobFiller() = default;
  // Begins nothing at the network by itself. The blob may have been verified since the caller
  // looked: then every want() of it is done at once.
  [[nodiscard]] virtual base::Result<std::shared_ptr<FillingBlob>> open(const WantedBlob& blob) = 0;
  // kAbsent, kPartial with what is present, or kDamaged (nothing right is to be had); not asked
  // about what the store has.
  [[nodiscard]] virtual BlobStatus status(const WantedBlob& blob) = 0;
};

}  // namespace castool::fusefs
