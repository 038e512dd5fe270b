// The blob store: immutable bytes under their sha256, shared by any number of processes.
//
// Invariants
//   1. A name under blobs/ exists => its bytes hash to the name and are durable.
//   2. A published blob is never written, truncated or replaced; a bad one is renamed to
//   quarantine/.
//   3. Interrupted work leaves at most files under partials/ and tmp/, never a wrong blob.
//
// Layout (docs/store-format.md): format, blobs/sha256/<2>/<64>, sums/…, partials/…, refs/<ns>/…,
// aliases/<origin key>/<40>, quarantine/, tmp/. Directories are 0700, blobs 0444.
//
// Thread rule: every member is safe from any thread. No process-wide lock is held between calls.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file_ops.h"
#include "base/hasher.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace castool::cas {

class Lease;
class Partial;
struct PartialKey;
enum class Preallocate;

// A published blob, open for reading. The bytes stay readable while the descriptor is open,
// whatever becomes of the name.
struct Blob {
  base::Digest digest;
  std::uint64_t size = 0;
  base::UniqueFd fd;  // O_RDONLY
};

// What `df` adds up.
struct StoreUsage {
  std::uint64_t blobs = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t partial_bytes = 0;  // disk blocks really used by partials
  std::uint64_t free_bytes = 0;
};

enum class Access {
  kRead,   // never creates or changes anything
  kWrite,  // creates the store when it is not there
};

// Writes content whose digest is not known before its last byte, such as a small file of a
// repository. Dropping it without commit() leaves nothing behind. One thread at a time.
class Ingest {
 public:
  Ingest(Ingest&&) noexcept;
  Ingest& operator=(Ingest&&) noexcept;
  ~Ingest();
  [[nodiscard]] base::Status append(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t size() const;
  // Makes the file a copy of `from` by reference, where the file system can; false: it cannot, and
  // nothing happened. Then all of fd() is read, once, from front to back, into note_cloned().
  [[nodiscard]] bool clone(int from);
  [[nodiscard]] int fd() const;
  [[nodiscard]] base::Status note_cloned(std::span<const std::byte> bytes);
  // Hash, fsync, publish, fsync the directory. A blob that is there already is success. Afterwards
  // the blob is durable. Every Lease of this Store value has it then.
  // kDigestMismatch, and nothing published, when it is not what was `expected`.
  [[nodiscard]] base::Result<base::Digest> commit(
      std::stop_token stop = {}, const std::optional<base::Digest>& expected = std::nullopt);

 private:
  friend class Store;
  struct State;
  explicit Ingest(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Store {
 public:
  // Opens the store at `root`. Errors: kNotFound (kRead and no store), kStoreRefused (unwritable,
  // writable by group or others, or a newer format).
  [[nodiscard]] static base::Result<std::unique_ptr<Store>> open(const std::string& root,
                                                                 Access access,
                                                                 base::FileOps& files,
                                                                 base::Clock& clock,
                                                                 base::Log& log);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  [[nodiscard]] const std::string& root() const;
  // The store's directory, for openat-relative work of this room and of RefStore.
  [[nodiscard]] int dir() const;
  [[nodiscard]] base::FileOps& files() const;
  [[nodiscard]] base::Clock& clock() const;
  [[nodiscard]] base::Log& log() const;
  // kStoreRefused when the store was opened for reading only.
  [[nodiscard]] base::Status require_writable() const;

  // The blob of that digest; nullopt when it is not stored.
  [[nodiscard]] base::Result<std::optional<Blob>> find(const base::Digest& digest) const;
  // Size of a stored blob without opening it; nullopt when it is not stored.
  [[nodiscard]] base::Result<std::optional<std::uint64_t>> size_of(
      const base::Digest& digest) const;
  // All bytes of a small blob (manifests, configs), refused above `limit`; hashed again on reading.
  [[nodiscard]] base::Result<std::string> read_small(const base::Digest& digest,
                                                     std::uint64_t limit) const;

  // Whether the blob open at `fd` was verified since this machine booted and is still that file, so
  // that its bytes need no look (stamp.h). Small blobs are cheaper to look at and always say no.
  [[nodiscard]] bool verified_this_boot(const base::Digest& digest, int fd) const;

  // Renames a blob that is wrong into quarantine/, durably; the next pull fetches it again. Who has
  // it open keeps the bytes. One that is not there (any more) is success.
  [[nodiscard]] base::Status quarantine(const base::Digest& digest);

  [[nodiscard]] base::Result<Ingest> begin_ingest();
  // begin_ingest + append + commit.
  [[nodiscard]] base::Result<base::Digest> put(std::string_view bytes, std::stop_token stop = {});

  // Opens or creates the partial of `key`; see partial.h. When the blob is stored and that origin
  // delivered it (deliveries.h), the partial is complete and published, its data file the blob.
  [[nodiscard]] base::Result<std::unique_ptr<Partial>> open_partial(
      const PartialKey& key, Preallocate preallocate, const std::stop_token& stop = {});

  // A lasting hint that `origin_key` (of origin_key() below) calls a file with this git id what the
  // store calls `digest`. Written only after the content was verified against both. Not synced: a
  // power cut may lose it, which costs fetching that file again.
  [[nodiscard]] base::Status put_alias(const std::string& origin_key, const base::GitOid& oid,
                                       const base::Digest& digest);
  [[nodiscard]] std::optional<base::Digest> find_alias(const std::string& origin_key,
                                                       const base::GitOid& oid) const;

  [[nodiscard]] base::Result<StoreUsage> usage() const;
  // For Lease: from now on what is ingested here is added to it, while it lives.
  void enlist(const std::shared_ptr<Lease>& lease);
  [[nodiscard]] base::Status add_to_leases(const base::Digest& digest, const std::stop_token& stop);

  // What this user may still write to the store's file system.
  [[nodiscard]] base::Result<std::uint64_t> free_bytes() const;

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// An error that says how much was wanted and how much is free, if `error` is kNoSpace; else
// `error`.
[[nodiscard]] base::Error explain_no_space(base::Error error, const Store& store,
                                           std::uint64_t wanted);

// 16 hex digits that name an origin in paths: the head of sha256(origin).
[[nodiscard]] std::string origin_key(std::string_view origin);

}  // namespace castool::cas
