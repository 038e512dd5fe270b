// What a ref's record says: enough to list and to mount without parsing a manifest.
// JSON, one object, documented in docs/manifest-format.md; unknown members are kept out, a missing
// optional member has its default, so older and newer castools read each other's records.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace castool::manifest {

enum class ModelKind { kHub, kOllama };
enum class RefState { kAbsent, kPartial, kComplete, kDamaged };

// Another repository inside this model's directory: the draft model or a LoRA adapter that options
// of OVMS name. It has a Hub manifest of its own, over blobs that are all in the store before the
// record says so. A view shows each of its files at <model's directory>/<path>/<the file's path>,
// where a file of the model itself gives way; gc keeps the manifest and its blobs as it does the
// model's own.
struct Attachment {
  std::string path;    // "org-draft", "loras/org/repo", "loras/<alias>"; check_path() holds
  std::string source;  // source_text(), or the address of a single file
  std::string origin;  // as RefRecord::origin: whose blobs these are
  std::string revision;
  base::Digest manifest;
  std::uint64_t bytes = 0;  // of distinct blobs; not in RefRecord::bytes
  friend bool operator==(const Attachment&, const Attachment&) = default;
};

struct RefRecord {
  std::string name;      // the ref's own name
  std::string source;    // source_text(): what `update` pulls again
  std::string origin;    // endpoint and repository the blobs came from, as PartialKey::origin
  std::string revision;  // commit for the Hub, tag for Ollama
  ModelKind kind = ModelKind::kHub;
  RefState state = RefState::kAbsent;
  base::Digest manifest;
  std::uint64_t bytes = 0;          // sum of distinct blobs
  std::uint64_t bytes_present = 0;  // at the last pull
  std::uint64_t files = 0;
  bool pinned = false;
  bool on_demand = false;  // came because somebody looked for it, and nobody has asked for it since
  std::int64_t first_pulled_ns = 0;  // since the epoch; orders config.json
  std::int64_t pulled_at = 0;
  std::int64_t last_used_at = 0;
  // Which of a repository's files were asked for (PullRequest); `update` asks for them again.
  std::vector<std::string> include, exclude;
  std::string served_name;                     // --model_name, or empty
  std::string task;                            // OVMS task, or empty: no graph
  std::map<std::string, std::string> options;  // OVMS options by their own names
  std::vector<Attachment> attachments;         // in the order of their paths, each path once
};

[[nodiscard]] std::string print_ref_record(const RefRecord& record);
[[nodiscard]] base::Result<RefRecord> parse_ref_record(std::string_view json);
[[nodiscard]] std::string_view word(RefState state);

}  // namespace castool::manifest
