// The store's directory as a whole: creating it, judging it, and clearing what killed processes
// left.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/file_ops.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "cas/store.h"

namespace castool::cas {

// Opens `root` and refuses what must not be used (see Store::open). With kWrite a missing or
// half-made store is made, durably; any number of processes may do so at once. The format file
// comes last, so that its presence says that all directories are there.
[[nodiscard]] base::Result<base::UniqueFd> open_store_dir(const std::string& root, Access access,
                                                          base::FileOps& files);

// Removes what lies in tmp/ for more than a day and nobody has locked. Best effort.
void clear_tmp(int store_dir, base::FileOps& files, base::Clock& clock, base::Log& log);

}  // namespace castool::cas
