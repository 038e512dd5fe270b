#include <unordered_set>

#include "manifest/manifest.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace manifest = castool::manifest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = manifest::parse_ollama_manifest(castool::fuzz::text_of(data, size));
  if (!parsed) return 0;
  require(parsed->layers.size() <= manifest::kMaxLayers, "the number of layers is bounded");
  std::unordered_set<castool::base::Digest> seen;
  std::uint64_t total = 0;
  for (const auto& blob : parsed->distinct_blobs()) {
    require(seen.insert(blob.digest).second, "distinct blobs are distinct");
    total += blob.size;
    require(total < std::uint64_t{1} << 63, "the sum of the sizes is below 2^63");
  }
  for (const auto& layer : parsed->layers) {
    require(seen.contains(layer.digest), "every layer is among the blobs");
  }
  return 0;
}
