// Option --gguf_filename: which files make up a GGUF model. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace castool::manifest {

// The file itself, or all parts of "<name>-00001-of-<NNNNN>.gguf" in order. kUnsupported (OVMS
// exits with 1) for a name with "-of-" that is no first part; kUsage for one that is no path.
[[nodiscard]] base::Result<std::vector<std::string>> gguf_parts(std::string_view filename);

}  // namespace castool::manifest
