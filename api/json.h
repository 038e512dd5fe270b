// What the API prints: one function per object, members in the order in which Ollama has them.
// Shapes: docs/semantics.md "The API". Pure functions; values in, one line of JSON out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "pull/puller.h"

namespace castool::api {

// What is known of a model's making, from its config blob and its file's header.
struct ModelDetails {
  std::string format;  // "gguf"
  std::string family;
  std::vector<std::string> families;
  std::string parameter_size;      // "3.2B"
  std::string quantization_level;  // "Q4_K_M"
  std::uint64_t context_length = 0;
  std::uint64_t embedding_length = 0;
};

struct ModelEntry {
  std::string name;
  std::string modified_at;  // RFC 3339
  std::uint64_t size = 0;
  std::string digest;  // of the manifest, 64 hex
  ModelDetails details;
  std::vector<std::string> capabilities;
};

struct ModelText {
  std::string license, modelfile, parameters, template_text, system;
  std::vector<std::pair<std::string, std::string>> messages;  // role, content
  std::string model_info, projector_info;                     // of manifest::gguf_json(), or empty
};

// {"error":text}
[[nodiscard]] std::string error_body(std::string_view text);
// {"error":text,"code":word}: for castool's own client, which has an exit status for each.
[[nodiscard]] std::string error_body(std::string_view text, base::Code code);
// {"status":"success","name","manifest","revision","files","bytes","bytes_fetched","bytes_reused",
// "seconds"}: what --json prints at the end of a pull.
[[nodiscard]] std::string success_event(const pull::PullOutcome& outcome);
// {"version":text}
[[nodiscard]] std::string version_body(std::string_view version);
// {"status":text}
[[nodiscard]] std::string status_event(std::string_view text);
// {"status":label,"digest","total","completed"}, zero and empty members left out.
[[nodiscard]] std::string progress_event(std::string_view label, std::string_view digest,
                                         std::uint64_t total, std::uint64_t completed);
// One of the objects in "models".
[[nodiscard]] std::string entry_body(const ModelEntry& model);
// {"models":[...]} of what entry_body() made.
[[nodiscard]] std::string tags_body(const std::vector<std::string_view>& entries);
// Of POST /api/show.
[[nodiscard]] std::string show_body(const ModelEntry& model, const ModelText& text);

}  // namespace castool::api
