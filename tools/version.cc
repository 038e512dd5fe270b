#include "tools/version.h"

namespace castool::tools {

std::string_view version_line() { return "castool " CASTOOL_VERSION; }
std::string_view version_number() { return CASTOOL_VERSION; }
std::string_view user_agent() { return "castool/" CASTOOL_VERSION; }

}  // namespace castool::tools
