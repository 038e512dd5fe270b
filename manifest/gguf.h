// What a GGUF says about itself, as far as showing it as a model of Ollama needs it. Grammar:
// file_header.h. Pure; the bytes are those of strangers: every count and length is checked against
// what is there, nothing is allocated by their word alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::manifest {

inline constexpr std::size_t kMaxGgufName = 1024;  // of architecture and the like
inline constexpr std::size_t kMaxChatTemplate = 1u << 20;
inline constexpr std::uint64_t kMaxGgufTensors = 1u << 20;

struct GgufMetadata {
  std::string architecture;  // "llama", never empty
  std::string name;
  std::string chat_template;               // Jinja
  std::optional<std::uint64_t> file_type;  // llama.cpp's number for the quantisation
  std::optional<std::uint64_t> context_length;
  std::optional<std::uint64_t> embedding_length;
  std::uint64_t parameters = 0;  // elements of all tensors
};

// From the first bytes of the file, which have to hold the whole header (file_header.h says how
// many that are). kBadManifest with the rule that it breaks.
[[nodiscard]] base::Result<GgufMetadata> read_gguf(std::span<const std::byte> front);

// "Q4_K_M" for 15; "unknown" for a number that has no name.
[[nodiscard]] std::string_view gguf_quantisation(std::uint64_t file_type);
// The quantisation that a file's name ends in before ".gguf", as it is written there
// ("model-Q4_K_M.gguf"), or empty.
[[nodiscard]] std::string_view quantisation_in_name(std::string_view file_name);
// One of several parts: "…-00001-of-00003.gguf".
[[nodiscard]] bool is_gguf_part(std::string_view file_name);

}  // namespace castool::manifest
