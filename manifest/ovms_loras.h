// Option --source_loras: which LoRA adapters an image generation model gets, and from where.
//
//   loras     = entry *("," entry)
//   entry     = alias "=" source [":" alpha]            an adapter
//             / alias "=" "@" alias [":" alpha] *("+" "@" alias [":" alpha])    a composite
//   source    = org "/" repo ["@" file]    one .safetensors file of a repository of the Hub;
//   without
//                                          a file the repository must hold exactly one
//             / "http://…" / "https://…"   an address that ends in .safetensors
//             / "/…" / "./…"               a local file
//   alias     = 1*[A-Za-z0-9._-]           each once
//
// Values; pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace castool::manifest {

enum class LoraOrigin { kHub, kAddress, kLocal };

struct LoraAdapter {
  std::string alias;
  LoraOrigin origin = LoraOrigin::kHub;
  std::string source;  // "org/repo", the address, or the local path
  std::string file;    // in the repository, empty if it was left out; the last part of the address
  std::optional<std::string> alpha;  // none for 1

  // Where its files stand in the model's directory, as OVMS puts them: "loras/org/repo" or
  // "loras/<alias>". Empty for a local file.
  [[nodiscard]] std::string directory() const;
  // What the graph says: directory() and file, or the local path.
  [[nodiscard]] std::string graph_path() const;
};

struct LoraComponent {
  std::string alias;
  std::optional<std::string> alpha;
};

struct LoraComposite {
  std::string alias;
  std::vector<LoraComponent> components;
};

struct SourceLoras {
  std::vector<LoraAdapter> adapters;
  std::vector<LoraComposite> composites;
};

// kUsage naming the entry that is wrong. An empty text has no adapters.
[[nodiscard]] base::Result<SourceLoras> parse_source_loras(std::string_view text);
// As parse_source_loras() takes it back.
[[nodiscard]] std::string print_source_loras(const SourceLoras& loras);

}  // namespace castool::manifest
