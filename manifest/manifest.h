// One model at one revision: paths, digests, sizes, origin.
//
// Two kinds share the type. An Ollama manifest is the registry's own bytes, kept exactly and parsed
// strictly; a Hub manifest is ours, in the canonical JSON of docs/manifest-format.md. Both are
// stored as blobs, so a manifest's name is the sha256 of its bytes. Values; pure functions; limits
// of SPEC §10.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "manifest/source.h"

namespace castool::manifest {

inline constexpr std::uint64_t kMaxManifestBytes = 4u << 20;       // a registry's
inline constexpr std::uint64_t kMaxHubManifestBytes = 128u << 20;  // ours, of 200 000 files
inline constexpr std::size_t kMaxLayers = 10'000;
inline constexpr std::size_t kMaxHubFiles = 200'000;
inline constexpr int kMaxJsonDepth = 32;

struct FileEntry {
  std::string path;  // relative, passed check_path()
  base::Digest digest;
  std::uint64_t size = 0;
  std::optional<base::GitOid> git_oid;  // regular files of the Hub
};

struct HubManifest {
  std::string endpoint;          // "https://huggingface.co"
  std::string repo;              // canonical id as the Hub gave it
  std::string commit;            // 40 hex
  std::vector<FileEntry> files;  // sorted by path bytes
};

struct Layer {
  std::string media_type;
  base::Digest digest;
  std::uint64_t size = 0;
};

struct OllamaManifest {
  Layer config;
  std::vector<Layer> layers;
  // Every digest once, in order of first mention, with its size.
  [[nodiscard]] std::vector<Layer> distinct_blobs() const;
};

// Canonical bytes: the same manifest always prints the same bytes.
[[nodiscard]] std::string print_hub_manifest(const HubManifest& manifest);
[[nodiscard]] base::Result<HubManifest> parse_hub_manifest(std::string_view json);
// Refuses: over-long, too deep, duplicate keys, no or bad digests, a digest with two sizes, layers
// together with manifests, other schema or hash algorithms. kBadManifest, or kUnsupported for kinds
// that exist elsewhere (image index, sha512).
[[nodiscard]] base::Result<OllamaManifest> parse_ollama_manifest(std::string_view json);

}  // namespace castool::manifest
