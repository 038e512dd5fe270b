// All that a GGUF's metadata says, as JSON: model_info of Ollama's POST /api/show. Pure; the bytes
// are those of strangers.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

namespace castool::manifest {

// Vocabularies are arrays of hundreds of thousands; without them one of more than five is [].
enum class GgufArrays { kShort, kAll };

// A JSON object with the pairs in the order of their keys, without the model's name and chat
// template, which have places of their own, and with general.parameter_count if the file does not
// say that itself. A number that JSON has no way to write is null. `front` as for read_gguf(), and
// its errors.
[[nodiscard]] base::Result<std::string> gguf_json(std::span<const std::byte> front,
                                                  GgufArrays arrays);

}  // namespace castool::manifest
