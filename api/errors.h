// What of an error a caller of the API is told. Pure.
//
// Errors of an origin are told as they are; those of this machine in fixed sentences, since they
// name its paths.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace castool::api {

// Whether the model's manifest was known when it happened.
enum class Stage { kManifest, kLayers };

// Ollama's words where its clients look for them: "pull model manifest: file does not exist",
// "digest mismatch, file must be downloaded again: …", "max retries exceeded: …". `store` is the
// store's directory, which no text contains.
[[nodiscard]] std::string pull_error_text(const base::Error& error, Stage stage,
                                          std::string_view store);
// 400 for a name, 404 for a model that its origin does not know, else 500.
[[nodiscard]] int pull_error_status(const base::Error& error);

// The same for requests about what is here.
[[nodiscard]] std::string error_text(const base::Error& error, std::string_view store);

}  // namespace castool::api
