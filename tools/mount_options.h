// The comma-separated words of `mount -o`. Pure function.
#pragma once

#include <string_view>

#include "base/result.h"
#include "tools/arguments.h"

namespace castool::tools {

// Takes allow_other, uid=N and gid=N into `arguments`; kUsage naming any other word. May be called
// once per -o; later words win.
[[nodiscard]] base::Status apply_mount_options(std::string_view words, MountArguments& arguments);

}  // namespace castool::tools
