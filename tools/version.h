// Which castool this is.
#pragma once

#include <string_view>

namespace castool::tools {

// "castool 0.1.0"
[[nodiscard]] std::string_view version_line();
// "0.1.0"
[[nodiscard]] std::string_view version_number();
// "castool/0.1.0": what origins see.
[[nodiscard]] std::string_view user_agent();

}  // namespace castool::tools
