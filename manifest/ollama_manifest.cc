// Registry manifests: parse_ollama_manifest() of manifest.h.
//
// The bytes are the registry's and are kept as they came; what is read from them here is only what
// decides which blobs a model has. Other members ("from", "name", annotations) are let through.
#include <string>
#include <unordered_map>
#include <utility>

#include "manifest/json_value.h"
#include "manifest/manifest.h"
#include "manifest/printable.h"

namespace castool::manifest {
namespace {

constexpr std::string_view kWhat = "manifest";
constexpr std::size_t kMaxValues = 1'000'000;
constexpr std::uint64_t kMaxTotal = (std::uint64_t{1} << 63) - 1;
// sha256 of no bytes: the only digest that size 0 can have.
constexpr std::string_view kEmptyHex =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

base::Error bad(std::string message) {
  return base::make_error(base::Code::kBadManifest, std::string(kWhat) + ": " + std::move(message));
}

base::Error unsupported(std::string message) {
  return base::make_error(base::Code::kUnsupported, std::string(kWhat) + ": " + std::move(message));
}

base::Result<base::Digest> parse_digest(const std::string& text, std::string_view where) {
  if (text.starts_with("sha512:") || text.starts_with("blake3:")) {
    return unsupported(std::string(where) + ": digest " + printable(text, 16) + " is not sha256");
  }
  auto digest = base::Digest::parse(text);
  if (!digest) return std::move(digest).error().in(std::string(kWhat) + ": " + std::string(where));
  return digest;
}

base::Result<Layer> parse_layer(const JsonValue& value, std::string_view where) {
  if (value.object() == nullptr) return bad(std::string(where) + ": not an object");
  const std::string place = std::string(kWhat) + ": " + std::string(where);
  const JsonFields fields(value, place);
  Layer layer;
  CASTOOL_ASSIGN(layer.media_type, fields.string_or("mediaType", ""));
  CASTOOL_ASSIGN(const std::string digest, fields.string("digest"));
  CASTOOL_ASSIGN(layer.digest, parse_digest(digest, where));
  CASTOOL_ASSIGN(layer.size, fields.size("size"));
  if ((layer.size == 0) != (layer.digest.hex() == kEmptyHex)) {
    return fields.error("size", "does not fit the digest of an empty blob");
  }
  return layer;
}

// What a manifest may be instead of a list of layers, so that nobody reads it as another kind.
base::Status check_kind(const JsonValue& root, const JsonFields& fields) {
  if (root.find("manifests") != nullptr) {
    const bool both = root.find("layers") != nullptr || root.find("config") != nullptr;
    if (both) return bad("\"manifests\" together with layers");
    return unsupported("an image index, not a model");
  }
  if (root.find("fsLayers") != nullptr || root.find("signatures") != nullptr) {
    return unsupported("a manifest of schema version 1");
  }
  CASTOOL_ASSIGN(const std::uint64_t schema, fields.size("schemaVersion"));
  if (schema != 2) return unsupported("schema version " + std::to_string(schema));
  CASTOOL_ASSIGN(const std::string type, fields.string_or("mediaType", ""));
  if (type.empty() || type == "application/vnd.docker.distribution.manifest.v2+json" ||
      type == "application/vnd.oci.image.manifest.v1+json") {
    return base::ok();
  }
  return unsupported("media type " + printable(type));
}

// Adds up the sizes and refuses a digest that is said to have two.
base::Status check_sizes(const OllamaManifest& manifest) {
  std::unordered_map<base::Digest, std::uint64_t> sizes;
  std::uint64_t total = 0;
  const auto add = [&](const Layer& layer) -> base::Status {
    const auto [known, is_new] = sizes.emplace(layer.digest, layer.size);
    if (!is_new && known->second != layer.size) {
      return bad(layer.digest.text() + " has two sizes");
    }
    if (is_new && layer.size > kMaxTotal - total) return bad("the sizes exceed 2^63-1 bytes");
    if (is_new) total += layer.size;
    return base::ok();
  };
  CASTOOL_RETURN_IF_ERROR(add(manifest.config));
  for (const Layer& layer : manifest.layers) CASTOOL_RETURN_IF_ERROR(add(layer));
  return base::ok();
}

}  // namespace

std::vector<Layer> OllamaManifest::distinct_blobs() const {
  std::vector<Layer> blobs;
  std::unordered_map<base::Digest, bool> seen;
  const auto add = [&](const Layer& layer) {
    if (seen.emplace(layer.digest, true).second) blobs.push_back(layer);
  };
  add(config);
  for (const Layer& layer : layers) add(layer);
  return blobs;
}

base::Result<OllamaManifest> parse_ollama_manifest(std::string_view json) {
  const JsonLimits limits{kMaxManifestBytes, kMaxValues, kMaxJsonDepth};
  CASTOOL_ASSIGN(const JsonValue root, parse_json(json, limits, kWhat));
  if (root.object() == nullptr) return bad("not an object");
  const JsonFields fields(root, kWhat);
  CASTOOL_RETURN_IF_ERROR(check_kind(root, fields));
  OllamaManifest manifest;
  CASTOOL_ASSIGN(const JsonValue* config, fields.object_or_null("config"));
  if (config == nullptr) return fields.error("config", "missing");
  CASTOOL_ASSIGN(manifest.config, parse_layer(*config, "config"));
  CASTOOL_ASSIGN(const JsonValue::Array* layers, fields.array("layers"));
  if (layers->size() > kMaxLayers) return bad("more than 10000 layers");
  manifest.layers.reserve(layers->size());
  for (std::size_t i = 0; i < layers->size(); ++i) {
    CASTOOL_ASSIGN(Layer layer, parse_layer((*layers)[i], "layer " + std::to_string(i)));
    manifest.layers.push_back(std::move(layer));
  }
  CASTOOL_RETURN_IF_ERROR(check_sizes(manifest));
  return manifest;
}

}  // namespace castool::manifest
