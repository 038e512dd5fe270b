// What the small blobs of a model say about it: family, sizes, template, licences. Pure but for
// reading those blobs through a function; the bytes are those of strangers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/digest.h"
#include "base/result.h"
#include "manifest/manifest.h"
#include "manifest/ref_record.h"

namespace castool::api {

// All bytes of a stored blob, refused above the limit.
using ReadBlob = std::function<base::Result<std::string>(const base::Digest&, std::uint64_t)>;

struct ModelFacts {
  ModelDetails details;
  std::vector<std::string> capabilities;
  std::vector<manifest::Layer> blobs;           // each digest once
  std::optional<base::Digest> gguf, projector;  // the model's own file, and what it sees with
};

// What cannot be read or makes no sense is left empty: a listing shows what there is. kBadManifest
// and the like only for the manifest itself.
[[nodiscard]] base::Result<ModelFacts> read_facts(const manifest::RefRecord& record,
                                                  const ReadBlob& read);
// Empty for a repository of the Hub, which has none of this.
[[nodiscard]] base::Result<ModelText> read_text(const manifest::RefRecord& record,
                                                const std::string& name, const ReadBlob& read);

// The "params" layer as `ollama show` prints it: a line for each value, strings quoted.
[[nodiscard]] std::string parameter_lines(std::string_view params);

}  // namespace castool::api
