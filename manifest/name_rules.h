// Which characters the parts of a model's name may have. Pure predicates; source.cc and names.cc
// put them together.
#pragma once

#include <string_view>

namespace castool::manifest {

inline constexpr std::string_view kDefaultHost = "registry.ollama.ai";
inline constexpr std::string_view kDefaultNamespace = "library";
inline constexpr std::string_view kDefaultTag = "latest";
inline constexpr std::string_view kDefaultRevision = "main";

// A part of an Ollama name, as Ollama's types/model/name.go has it: begins with [A-Za-z0-9_], goes
// on with those and '-', and '.' except in a namespace; 1–80 bytes.
[[nodiscard]] bool is_ollama_namespace(std::string_view text);
[[nodiscard]] bool is_ollama_part(std::string_view text);  // model, tag
// 1–350 bytes, with ":port" or without; a port is 1–65535.
[[nodiscard]] bool is_ollama_host(std::string_view text);

// One segment of a Hub id (huggingface_hub's validate_repo_id): [A-Za-z0-9._-], neither '.' nor '-'
// at either end, no "--" or "..", not ending in ".git", 1–96 bytes.
[[nodiscard]] bool is_hub_segment(std::string_view text);
// "org/name" or one segment.
[[nodiscard]] bool is_hub_repo(std::string_view text);

// A part of --name: [A-Za-z0-9_][A-Za-z0-9._-]*, at most 255 bytes.
[[nodiscard]] bool is_custom_part(std::string_view text);

}  // namespace castool::manifest
