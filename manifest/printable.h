// Foreign text made fit for one line of a message.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace castool::manifest {

// `text` in double quotes: control characters, '"', '\' and bytes that are not UTF-8 as \xNN, cut
// at `limit` bytes of input with "..." after it.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 200);

}  // namespace castool::manifest
