// A GGUF of the Hub as a model of Ollama: the manifest and the small blobs that a registry would
// have sent with it. The same GGUF always gives the same bytes. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "manifest/gguf.h"
#include "manifest/manifest.h"

namespace castool::manifest {

struct MadeModel {
  std::string manifest;            // the bytes that stand under manifests/
  std::vector<std::string> blobs;  // config, template and parameters, where there are any
};

// kUnsupported for what is no language model by itself, such as a projector.
[[nodiscard]] base::Result<MadeModel> make_gguf_model(const GgufMetadata& metadata,
                                                      const base::Digest& gguf, std::uint64_t size);

// A number of parameters as Ollama writes it: "3.2B", "135M".
[[nodiscard]] std::string human_parameters(std::uint64_t parameters);

// Ollama's form of a chat template, and the texts that end an answer.
struct ChatForm {
  std::string_view go_template;
  std::string_view parameters;  // JSON
};
// By the marks that a Jinja template uses; nothing for one that is not known.
[[nodiscard]] std::optional<ChatForm> chat_form(std::string_view jinja);

// Under which tag a GGUF of a repository is shown, or why it is not.
struct GgufName {
  const FileEntry* file = nullptr;
  std::string path;      // "hf.co/<user>/<repository>/<tag>", or empty
  std::string left_out;  // why it has none
};
// One for each GGUF. The tag is the quantisation in the file's name where no other file has that,
// else the file's name.
[[nodiscard]] std::vector<GgufName> gguf_names(const HubManifest& manifest);

}  // namespace castool::manifest
