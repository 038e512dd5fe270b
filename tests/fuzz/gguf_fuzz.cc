#include <span>

#include "manifest/gguf_model.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace manifest = castool::manifest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto metadata = manifest::read_gguf(std::as_bytes(std::span(data, size)));
  if (!metadata) return 0;
  require(!metadata->architecture.empty(), "a model has an architecture");
  require(metadata->chat_template.size() <= size, "nothing is longer than the file");
  const auto made = manifest::make_gguf_model(*metadata, {}, size);
  if (!made) return 0;
  require(manifest::parse_ollama_manifest(made->manifest).has_value(), "what is made can be read");
  return 0;
}
