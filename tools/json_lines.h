// What --json prints: one object per function, as one line without its newline. Field names and
// their order are fixed. Pure functions; the only file that knows JSON is json_lines.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "manifest/ref_record.h"
#include "pull/fsck.h"
#include "pull/puller.h"
#include "tools/reports.h"
#include "tools/update_report.h"

namespace castool::tools {

// {"error":{"code","message","digest","url"}}; what is not known is null. `message` comes with its
// context already.
[[nodiscard]] std::string error_object(const base::Error& error, std::string_view message);

// Ollama's events: {"status"} and {"status":"pulling …","digest","total","completed"}, zero and
// empty fields left out.
[[nodiscard]] std::string status_event(std::string_view text);
[[nodiscard]] std::string progress_event(std::string_view label, std::string_view digest,
                                         std::uint64_t total, std::uint64_t completed);

// {"status":"success","name","manifest","revision","files","bytes","bytes_fetched","bytes_reused",
// "seconds"}
[[nodiscard]] std::string pull_result(const pull::PullOutcome& outcome);
// {"path","bytes","digest","present"}
[[nodiscard]] std::string planned_file(const pull::PlannedFile& file);
// {"status":"dry-run","name","revision","added":[paths],"changed","removed","bytes_to_fetch"}
[[nodiscard]] std::string update_object(const pull::PullOutcome& outcome,
                                        const UpdateReport& report);
// {"status":"dry-run","files","bytes","bytes_to_fetch"}
[[nodiscard]] std::string dry_run_result(const DryRunReport& report);

// {"name","source","revision","manifest","bytes","bytes_present","state","pinned","pulled_at",
// "last_used_at"}; "namespace" first when one is given; times in RFC 3339, null when never.
[[nodiscard]] std::string ref_object(const manifest::RefRecord& record,
                                     const std::optional<std::string>& ns);
// ref_object and "files", "options", "views".
[[nodiscard]] std::string model_object(const ModelReport& report);

// {"logical_bytes","stored_bytes","saved_bytes","partial_bytes","free_bytes","blobs","refs"}
[[nodiscard]] std::string usage_object(const UsageReport& report);
// {"removed_refs","removed_blobs","freed_bytes"}
[[nodiscard]] std::string removal_object(std::uint64_t refs, std::uint64_t blobs,
                                         std::uint64_t bytes);
// What a dry run of gc tells of one thing: {"would_remove","name","bytes","why"}.
[[nodiscard]] std::string garbage_object(std::string_view kind, std::string_view name,
                                         std::uint64_t bytes, std::string_view why);
// {"checked","bytes","damaged":[{"digest","chunks":[[offset,length],…],"repaired","name","problem"}]}
[[nodiscard]] std::string check_object(const pull::FsckReport& report);
// {"namespace","used_bytes","quota_bytes"}; no quota is null.
[[nodiscard]] std::string quota_object(const std::string& ns, std::uint64_t used,
                                       const std::optional<std::uint64_t>& quota);
// {"digest","done","total","bytes_per_second","eta_seconds","pids"}; no ETA is null.
[[nodiscard]] std::string transfer_object(const TransferReport& report);

}  // namespace castool::tools
