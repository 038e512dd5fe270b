#include "tools/reports.h"

#include <algorithm>
#include <set>

#include "tools/progress_state.h"

namespace castool::tools {

std::string_view word(FileState state) {
  switch (state) {
    case FileState::kAbsent: return "absent";
    case FileState::kPartial: return "partial";
    case FileState::kVerified: return "verified";
    case FileState::kDamaged: return "damaged";
  }
  return "absent";
}

void refresh_record(ModelReport& report) {
  using manifest::RefState;
  std::set<base::Digest> counted;
  std::uint64_t present = 0;
  bool complete = true;
  bool damaged = report.record.state == RefState::kDamaged;
  for (const FileReport& file : report.files) {
    complete = complete && file.state == FileState::kVerified;
    damaged = damaged || file.state == FileState::kDamaged;
    if (!counted.insert(file.digest).second) continue;
    present += file.state == FileState::kVerified ? file.bytes : file.present;
  }
  report.record.bytes_present = std::min(present, report.record.bytes);
  if (damaged) {
    report.record.state = RefState::kDamaged;
  } else if (complete) {
    report.record.state = RefState::kComplete;
  } else {
    report.record.state = present > 0 ? RefState::kPartial : RefState::kAbsent;
  }
}

DryRunReport dry_run_report(std::span<const pull::PlannedFile> files) {
  DryRunReport report;
  std::set<std::string_view> counted;
  for (const pull::PlannedFile& file : files) {
    ++report.files;
    report.bytes += file.bytes;
    if (!file.present && !file.later && counted.insert(file.digest).second)
      report.bytes_to_fetch += file.bytes;
  }
  return report;
}

UsageReport usage_report(const cas::StoreUsage& usage,
                         std::span<const manifest::RefRecord> records) {
  UsageReport report;
  std::uint64_t present = 0;
  for (const manifest::RefRecord& record : records) {
    report.logical_bytes += record.bytes;
    present += record.bytes_present;
  }
  report.refs = records.size();
  report.blobs = usage.blobs;
  report.stored_bytes = usage.stored_bytes;
  report.partial_bytes = usage.partial_bytes;
  report.free_bytes = usage.free_bytes;
  // Blobs of removed refs wait for gc, so more may be stored than the refs need.
  report.saved_bytes = present > usage.stored_bytes ? present - usage.stored_bytes : 0;
  return report;
}

std::vector<TransferReport> transfer_reports(std::span<const cas::PartialInfo> first,
                                             std::span<const cas::PartialInfo> second,
                                             std::chrono::duration<double> between) {
  std::vector<TransferReport> reports;
  for (const cas::PartialInfo& now : second) {
    if (now.pids.empty()) continue;
    const auto before = std::find_if(first.begin(), first.end(), [&](const auto& info) {
      return info.digest == now.digest && info.origin == now.origin;
    });
    const std::uint64_t had = before == first.end() ? 0 : std::min(before->present, now.present);
    TransferReport& report = reports.emplace_back();
    report.digest = now.digest;
    report.done = now.present;
    report.total = now.size;
    report.pids = now.pids;
    if (between.count() > 0) {
      report.bytes_per_second = static_cast<double>(now.present - had) / between.count();
    }
    report.eta_seconds = remaining_seconds(now.present, now.size, report.bytes_per_second);
  }
  return reports;
}

}  // namespace castool::tools
