// Where things lie below the store's directory. Pure: every path is built from parsed values only,
// so that no outside text can become a path. docs/store-format.md shows the same tree.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/digest.h"

namespace castool::cas {

inline constexpr int kFormatVersion = 1;
inline constexpr mode_t kDirectoryMode = 0700;
inline constexpr mode_t kBlobMode = 0444;
inline constexpr mode_t kWorkMode = 0600;

inline constexpr char kFormatFile[] = "format";
inline constexpr char kBlobsDir[] = "blobs/sha256";
inline constexpr char kSumsDir[] = "sums/sha256";
inline constexpr char kPartialsDir[] = "partials";
inline constexpr char kRefsDir[] = "refs";
inline constexpr char kAliasesDir[] = "aliases";
inline constexpr char kQuarantineDir[] = "quarantine";
inline constexpr char kTmpDir[] = "tmp";
inline constexpr char kLeasesDir[] = "leases";
inline constexpr char kQuotasDir[] = "quotas";
inline constexpr char kDeliveriesDir[] = "deliveries";
inline constexpr char kDataFile[] = "data";
inline constexpr char kTableFile[] = "table";

// "blobs/sha256/<2>" and "blobs/sha256/<2>/<64>"; the same below sums/.
[[nodiscard]] std::string blob_dir(const base::Digest& digest);
[[nodiscard]] std::string blob_path(const base::Digest& digest);
[[nodiscard]] std::string sums_dir(const base::Digest& digest);
[[nodiscard]] std::string sums_path(const base::Digest& digest);
// "sums/sha256/<2>/<64>.stamp".
[[nodiscard]] std::string stamp_path(const base::Digest& digest);
// "quarantine/<64>-<32 random hex digits>".
[[nodiscard]] std::string quarantine_path(const base::Digest& digest);

// "partials/<64>-<origin key>".
[[nodiscard]] std::string partial_dir(const base::Digest& digest, std::string_view origin);

// "aliases/<origin key>"; `origin_key` was checked with is_origin_key().
[[nodiscard]] std::string alias_dir(std::string_view origin_key);
[[nodiscard]] bool is_origin_key(std::string_view text);

// A name below tmp/ that nobody else uses (128 random bits).
[[nodiscard]] std::string unique_tmp_path();
// The same below leases/.
[[nodiscard]] std::string unique_lease_path();

}  // namespace castool::cas
