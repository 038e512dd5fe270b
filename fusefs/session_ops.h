// The table of libfuse callbacks over a ModelFs; the user data of the session is a SessionContext.
#pragma once

#include <cstddef>

struct fuse_lowlevel_ops;

namespace castool::fusefs {

[[nodiscard]] const fuse_lowlevel_ops& session_ops();
[[nodiscard]] std::size_t session_ops_size();

}  // namespace castool::fusefs
