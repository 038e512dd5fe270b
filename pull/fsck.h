// Checks a store: every blob against its name, every ref against what it names. What is wrong is
// moved to quarantine, and with kRepair fetched again from where it came from: bad chunks only.
//
// Of what is unfinished, the chunks that are here are held against their checksums. Those that
// differ are forgotten, so that they are fetched again; with kOnlyTell they are told.
//
// Blobs are checked beside each other, on as many threads as there are processors; one blob on one
// thread, since SHA-256 is serial. Safe beside pulls, mounts and gc: what goes meanwhile is passed
// over, and a reader of a bad blob gets the repaired one with its next open.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/digest.h"
#include "base/result.h"
#include "cas/inspect.h"
#include "cas/store.h"
#include "pull/networks.h"
#include "pull/pinned_sources.h"

namespace castool::pull {

// Every t-th blob, by its digest: those of 1/7 … 7/7 are all blobs.
struct Subset {
  std::uint64_t n = 1;
  std::uint64_t t = 1;
};
[[nodiscard]] bool is_in(const Subset& subset, const base::Digest& digest);

enum class FsckMode { kOnlyTell, kQuarantine, kRepair };

struct FsckOptions {
  FsckMode mode = FsckMode::kQuarantine;
  cas::Depth depth = cas::Depth::kFull;
  Subset subset;
  std::string ns;                  // of `names`
  std::vector<std::string> names;  // refs; empty: everything that is stored
};

enum class Trouble {
  kBytes,     // of a blob
  kMissing,   // a blob that a complete ref names
  kManifest,  // of a ref: missing or not readable
  kRecord,    // of a ref: not readable
  kMode,
  kOwner,
  kStray,    // a file below blobs/ that is no blob
  kPartial,  // of an unfinished blob: what is said to be here and is not, to be fetched again
};
[[nodiscard]] std::string_view word(Trouble trouble);

struct Damage {
  Trouble trouble = Trouble::kBytes;
  std::optional<base::Digest> digest;  // of kRecord and kStray none
  std::string name;                    // a ref that needs it, or the stray's path
  std::vector<base::ByteRange> bad;
  bool repaired = false;
  std::string why_not;  // of what was to be repaired
};

struct FsckReport {
  std::uint64_t checked = 0;  // blobs
  std::uint64_t bytes = 0;
  std::uint64_t partials = 0;  // unfinished blobs that were looked at; not in the two above
  std::uint64_t orphans = 0;   // blobs that no ref names: gc's business
  std::uint64_t bytes_fetched = 0;
  std::vector<Damage> damaged;
};

// What repairing needs. `names_again` fetches the manifest of a ref anew (pull() does not move it).
struct FsckSources {
  Networks* networks = nullptr;
  PinnedSources* sources = nullptr;
  const Origins* origins = nullptr;
};

[[nodiscard]] base::Result<FsckReport> check_store(cas::Store& store, const FsckOptions& options,
                                                   const FsckSources& sources, base::Log& log,
                                                   const std::stop_token& stop);

}  // namespace castool::pull
