// What a person types for a model: where it comes from, and the ref name it gets here.
// Grammar: SPEC §3 (docs/semantics.md "Sources and names"). Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

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
//
//   source   = hub / registry / name
//   hub      = "hf://" repo ["@" rev] / "hf:" org "/" name ["@" rev]
//            / "https://huggingface.co/" org "/" name ["/tree/" rev] ["/"]       (also hf.co)
//   registry = "ollama://" [host "/"] [ns "/"] model [":" tag]
//            / ("http://" / "https://") host "/" ns "/" model [":" tag]
//   name     = org "/" name ["@" rev]          one slash and no colon: the Hub
//            / [host "/"] [ns "/"] model [":" tag]
//
// What follows the first "@" is the revision and counts neither slashes nor colons. A legacy Hub id
// of one segment needs hf:// or --from hf.
[[nodiscard]] base::Result<Source> parse_source(std::string_view text,
                                                std::optional<SourceKind> from = std::nullopt);

// A revision of the Hub (option --revision): what git takes as a branch, tag or commit, without
// '%', '#' and '?'. kUsage.
[[nodiscard]] base::Status check_revision(std::string_view revision);

// The ref name of a source: "org/name", "model:tag", "[host/]ns/model:tag".
[[nodiscard]] std::string ref_name(const Source& source);
// The source as `ls` shows it and as parse_source() takes it back: "hf://org/name@rev",
// "ollama://…", "http://…".
[[nodiscard]] std::string source_text(const Source& source);

// Checks what --name gives: 1–4 parts of [A-Za-z0-9_][A-Za-z0-9._-]* and an optional ":tag". The
// name is kept as it was typed, because it is the path in the views: `--name foo` is /models/foo.
[[nodiscard]] base::Result<std::string> parse_custom_name(std::string_view text);

// The names under which a NAME argument may be stored, the likelier first; the first that exists is
// meant. A source's ref name is always among them. Two only for one or three parts without a tag,
// which are a custom name if there is one ("foo"), and a model with the tag that was left out
// ("foo:latest") otherwise. kUsage.
[[nodiscard]] base::Result<std::vector<std::string>> lookup_names(std::string_view text);
// The last of lookup_names(): the spelling of a name that is not looked up, "foo" -> "foo:latest".
[[nodiscard]] base::Result<std::string> normalise_name(std::string_view text);

}  // namespace castool::manifest
