// A copy of an open file: its blocks shared where the file system can do that, else its bytes.
#pragma once

#include <cstdint>
#include <stop_token>

#include "base/file_ops.h"
#include "base/result.h"

namespace castool::tools {

// `to` is empty and open for writing. kCancelled when `stop` is requested.
[[nodiscard]] base::Status copy_file(int from, std::uint64_t size, int to, base::FileOps& files,
                                     const std::stop_token& stop);

}  // namespace castool::tools
