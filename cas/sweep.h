// What gc finds in the store and takes out of it. No decision is made here: what goes is the
// caller's to say (pull/reachability.h), who holds gc_locks.h while it does.
//
// Every removal may be interrupted anywhere: what is left is garbage that the next gc finds, never
// a blob that is not whole. Removals are not synced; a power cut may bring back what was whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::cas {

struct StoredBlob {
  base::Digest digest;
  std::uint64_t size = 0;
};
// All blobs; what has no blob's name is left out.
[[nodiscard]] base::Result<std::vector<StoredBlob>> list_blobs(const Store& store);

// Whether somebody has the blob open or mapped, in any process. Asked by way of a lease of the
// kernel (fcntl(2) F_SETLEASE); false where that cannot be told: the bytes of an open file stay
// anyhow.
[[nodiscard]] bool is_open(const Store& store, const base::Digest& digest);

// Takes the blob's name away, then its sidecar and stamp. The space of a large one is given back by
// free_removed(), which may take long and needs no lock.
[[nodiscard]] base::Status remove_blob(Store& store, const StoredBlob& blob,
                                       std::vector<std::string>& large);
void free_removed(Store& store, const std::vector<std::string>& large);

// An entry of partials/ as gc sees it.
struct PartialEntry {
  std::string file;                    // its name there
  std::optional<base::Digest> digest;  // nullopt: no table of ours, which is garbage
  std::string origin;
  std::uint64_t bytes = 0;      // disk blocks
  std::int64_t written_at = 0;  // last write, seconds since the epoch
  bool held = false;            // some process has it open
};
[[nodiscard]] base::Result<std::vector<PartialEntry>> list_partial_entries(const Store& store);
// False: somebody has it open.
[[nodiscard]] base::Result<bool> remove_partial(Store& store, const std::string& file);

// Sidecars and stamps without a blob, and aliases of blobs that are not stored. `stored` is what
// was there a while ago, to save looking for each of them.
[[nodiscard]] base::Status remove_strays(Store& store,
                                         const std::unordered_set<base::Digest>& stored);

// Files of quarantine/ whose inode last changed before `before` (seconds since the epoch).
struct QuarantinedFile {
  std::string file;
  std::uint64_t size = 0;
};
[[nodiscard]] base::Result<std::vector<QuarantinedFile>> list_quarantine(const Store& store,
                                                                         std::int64_t before);
[[nodiscard]] base::Status remove_quarantined(Store& store, const std::string& file);

}  // namespace castool::cas
