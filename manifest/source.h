// What a person types for a model: where it comes from, and the ref name it gets here.
// Grammar: SPEC §3 (docs/semantics.md "Sources and names"). Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace castool::manifest {

// A repository of a Hugging Face Hub.
struct HubSource {
  std::string repo;      // "org/name", or one legacy segment
  std::string revision;  // "main" unless said; any branch, tag, commit or refs/pr/N
  friend bool operator==(const HubSource&, const HubSource&) = default;
};

// A model of an Ollama registry (types/model/name.go of Ollama: part rules and defaults).
struct OllamaSource {
  std::string scheme;  // "https", or "http" when the source said so
  std::string host;    // with port if any; "registry.ollama.ai" by default
  std::string ns;      // "library" by default
  std::string model;
  std::string tag;  // "latest" by default
  friend bool operator==(const OllamaSource&, const OllamaSource&) = default;
};

using Source = std::variant<HubSource, OllamaSource>;

enum class SourceKind { kHub, kOllama };

// Parses a source as the command line takes it. `from` (the option --from) decides a name without a
// scheme. kUsage with a sentence that says what is wrong.
[[nodiscard]] base::Result<Source> parse_source(std::string_view text,
                                                std::optional<SourceKind> from = std::nullopt);

// The ref name of a source: "org/name", "model:tag", "[host/]ns/model:tag".
[[nodiscard]] std::string ref_name(const Source& source);
// The source as `ls` shows it and as parse_source() takes it back: "hf://org/name@rev", "ollama://…".
[[nodiscard]] std::string source_text(const Source& source);

// Checks what --name gives: 1–4 parts of [A-Za-z0-9_][A-Za-z0-9._-]* and an optional ":tag".
[[nodiscard]] base::Result<std::string> parse_custom_name(std::string_view text);
// Any NAME argument in the one spelling that refs are stored under: a source's ref name or a custom name.
[[nodiscard]] base::Result<std::string> normalise_name(std::string_view text);

}  // namespace castool::manifest
