// What a ref's record says: enough to list and to mount without parsing a manifest.
// JSON, one object, documented in docs/manifest-format.md; unknown members are kept out, a missing
// optional member has its default, so older and newer castools read each other's records.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace castool::manifest {

enum class ModelKind { kHub, kOllama };
enum class RefState { kAbsent, kPartial, kComplete, kDamaged };

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
  std::string served_name;                     // --model_name, or empty
  std::string task;                            // OVMS task, or empty: no graph
  std::map<std::string, std::string> options;  // OVMS options by their own names
};

[[nodiscard]] std::string print_ref_record(const RefRecord& record);
[[nodiscard]] base::Result<RefRecord> parse_ref_record(std::string_view json);
[[nodiscard]] std::string_view word(RefState state);

}  // namespace castool::manifest
