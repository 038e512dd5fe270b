// A blob on its way in: a data file plus a chunk table that any number of processes fill together.
//
// A process claims chunks with OFD write locks on the table's bytes for them, so a dead process
// frees its claims at once. A chunk is present when its table record says so and the record's own
// check holds; after an unclean stop (another boot id) also only if its bytes match the record's
// XXH3. Unverified bytes belong to one origin: the key names it. The record format is in
// chunk_table.h.
//
// Thread rule: Partial is safe from any thread and outlives its ChunkWriters. A ChunkWriter belongs
// to one thread at a time.
//
// Durability: while chunks arrive, data and table are synced on a thread of their own each 256 MiB
// or 5 s. When a sync fails, every chunk that no earlier sync covered is dropped from the table,
// and claim() and append() of this process return the error from then on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::cas {

inline constexpr std::uint64_t kChunkSize = 1 << 20;

struct PartialKey {
  base::Digest digest;
  std::uint64_t size = 0;
  std::string origin;  // endpoint and repository, e.g. "https://host org/name"
};

// Full pulls reserve the blob's whole size at once; lazy ones stay sparse.
enum class Preallocate { kNo, kYes };

// A claimed run of chunks, filled from its first byte to its last. Dropping it releases what is not
// complete; a chunk that was begun is then fetched again by whoever claims it next.
class ChunkWriter {
 public:
  virtual ~ChunkWriter() = default;
  // Where the next byte belongs, and the end of the run, which comes nearer when append() gives
  // back chunks that somebody waits for (Partial::want).
  [[nodiscard]] virtual std::uint64_t next_offset() const = 0;
  [[nodiscard]] virtual std::uint64_t end_offset() const = 0;
  // Appends bytes; each chunk that fills up is recorded as present. Never past end_offset().
  [[nodiscard]] virtual base::Status append(std::span<const std::byte> bytes) = 0;
};

class Partial {
 public:
  virtual ~Partial() = default;

  [[nodiscard]] virtual const PartialKey& key() const = 0;
  [[nodiscard]] virtual std::uint64_t chunk_count() const = 0;

  // Claims the first run of missing, unclaimed chunks at or after the chunk of `from`, at most
  // `max_bytes` in whole chunks (at least one) and touching `within`. nullptr: nothing free there
  // now, because all is present or others hold the rest.
  [[nodiscard]] virtual base::Result<std::unique_ptr<ChunkWriter>> claim(
      std::uint64_t from, std::uint64_t max_bytes, const base::ByteRange& within) = 0;

  // Somebody waits for these chunks: whoever fills a run that reaches them later than its next
  // chunk gives them back, in any process, within 50 ms while bytes arrive. Until unwant(). A hint.
  virtual void want(const base::ByteRange& range) = 0;
  virtual void unwant(const base::ByteRange& range) = 0;

  // Looks at the table again (other processes write it too) and tells how many bytes are present.
  [[nodiscard]] virtual base::Result<std::uint64_t> refresh() = 0;
  [[nodiscard]] virtual std::uint64_t bytes_present() const = 0;
  // Bytes present without a gap from offset 0: how far hashing may go.
  [[nodiscard]] virtual std::uint64_t contiguous_prefix() const = 0;
  [[nodiscard]] virtual bool present(const base::ByteRange& range) const = 0;
  [[nodiscard]] virtual bool complete() const = 0;
  // The XXH3 of each chunk that `range` touches, as the bytes were recorded on arrival; nullopt
  // unless all of them are present. Of a blob that was stored before the partial was opened: empty.
  [[nodiscard]] virtual std::optional<std::vector<std::uint64_t>> checksums(
      const base::ByteRange& range) const = 0;

  // True once the blob has its name under blobs/; whichever process did that, everything is
  // present.
  [[nodiscard]] virtual bool published() const = 0;
  // How often present chunks were dropped in the life of the partial, by any process, as of the
  // last refresh(). Bytes that were hashed under another generation may have been replaced since.
  [[nodiscard]] virtual std::uint64_t generation() const = 0;

  // The data file, for reading what is present. Stays the same and open as long as the partial.
  [[nodiscard]] virtual int data_fd() const = 0;

  // Drops the record of every chunk that overlaps `range`, so that it is fetched again.
  [[nodiscard]] virtual base::Status invalidate(const base::ByteRange& range) = 0;
  // Re-reads present chunks against their XXH3 and drops those that differ; returns their ranges.
  [[nodiscard]] virtual base::Result<std::vector<base::ByteRange>> recheck() = 0;

  // Tries to become the one process that hashes and publishes; freed when the value is dropped.
  // nullopt while another one is.
  [[nodiscard]] virtual base::Result<std::optional<base::UniqueFd>> try_lead() = 0;
  // Publishes: `computed` is the SHA-256 over all present bytes and has to equal key().digest
  // (kDigestMismatch else). fsync data, chmod 0444, rename into blobs/ without replacing, fsync the
  // directory, write the checksum sidecar, remove the table. A blob already there is success. Bytes
  // that may have changed since the partial was opened (generation()) are hashed again here. Waits
  // for another process that publishes, or until `stop` (kCancelled). kBusy while chunks are
  // claimed.
  [[nodiscard]] virtual base::Status publish(const base::Digest& computed,
                                             const std::stop_token& stop = {}) = 0;
};

// A transfer as `status` shows it; found without opening the partial for writing.
struct PartialInfo {
  base::Digest digest;
  std::string origin;
  std::uint64_t size = 0;
  std::uint64_t present = 0;
  std::vector<int> pids;  // processes that have it open now
};
[[nodiscard]] base::Result<std::vector<PartialInfo>> list_partials(const Store& store);
// The one of a blob and an origin; nullopt when there is none.
[[nodiscard]] base::Result<std::optional<PartialInfo>> find_partial(const Store& store,
                                                                    const base::Digest& digest,
                                                                    const std::string& origin);

// Hashes the contiguous front of a partial on a thread of its own while later ranges still arrive,
// reading from the page cache. Holds at most one small mapped window. The partial must outlive it.
class PrefixHasher {
 public:
  explicit PrefixHasher(Partial& partial);
  ~PrefixHasher();  // stops and joins
  PrefixHasher(const PrefixHasher&) = delete;
  PrefixHasher& operator=(const PrefixHasher&) = delete;

  // Says that the front may have moved.
  void wake();
  [[nodiscard]] std::uint64_t hashed_bytes() const;
  // Waits until all is hashed. kBusy: complete no more; kIo: no thread for it; kCancelled: a stop.
  [[nodiscard]] base::Result<base::Digest> finish(std::stop_token stop);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace castool::cas
