// What ls, show, df, status and a dry run have to tell, worked out from what the rooms say. Values
// and pure functions; table.h and json_lines.h make text of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cas/partial.h"
#include "cas/store.h"
#include "manifest/ref_record.h"
#include "pull/puller.h"

namespace castool::tools {

enum class FileState { kAbsent, kPartial, kVerified, kDamaged };
[[nodiscard]] std::string_view word(FileState state);

struct FileReport {
  std::string path;
  std::string kind;  // of an Ollama layer: "model", "template", …; else empty
  std::uint64_t bytes = 0;
  base::Digest digest;
  FileState state = FileState::kAbsent;
  std::uint64_t present = 0;  // bytes
};

struct ViewReport {
  std::string path;      // below the mount, or empty
  std::string left_out;  // why there is no path
};

struct ModelReport {
  manifest::RefRecord record;  // with state and bytes_present as they are now
  std::vector<FileReport> files;
  std::map<std::string, ViewReport> views;  // by layout
};

// Sets the record's bytes_present and state to what its files say: each digest counts once.
void refresh_record(ModelReport& report);

struct DryRunReport {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_to_fetch = 0;  // now, each digest once
};
[[nodiscard]] DryRunReport dry_run_report(std::span<const pull::PlannedFile> files);

struct UsageReport {
  std::uint64_t logical_bytes = 0;  // what all refs of all namespaces add up to
  std::uint64_t stored_bytes = 0;
  std::uint64_t saved_bytes = 0;
  std::uint64_t partial_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t blobs = 0;
  std::uint64_t refs = 0;
};
[[nodiscard]] UsageReport usage_report(const cas::StoreUsage& usage,
                                       std::span<const manifest::RefRecord> records);

struct TransferReport {
  base::Digest digest;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  double bytes_per_second = 0;
  std::optional<double> eta_seconds;  // nullopt: nothing moves
  std::vector<int> pids;
};
// Transfers that a process holds at the second look, with the rate between the two. What was not
// there at the first look began meanwhile.
[[nodiscard]] std::vector<TransferReport> transfer_reports(std::span<const cas::PartialInfo> first,
                                                           std::span<const cas::PartialInfo> second,
                                                           std::chrono::duration<double> between);

}  // namespace castool::tools
