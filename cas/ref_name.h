// How a ref's name becomes a file name and back. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::cas {

// '/', '%' and a leading '.' become %XX (upper-case hex), so that no name is a path, "." or "..".
// kUsage: empty, with a NUL, or longer than 255 bytes when encoded.
[[nodiscard]] base::Result<std::string> encode_ref_name(std::string_view name);
// nullopt: not what encode_ref_name() gives for any name.
[[nodiscard]] std::optional<std::string> decode_ref_name(std::string_view file);

// [A-Za-z0-9_][A-Za-z0-9._-]*, at most 255 bytes.
[[nodiscard]] bool is_namespace(std::string_view name);

}  // namespace castool::cas
