// What the mount and the kernel agree on at INIT.
#pragma once

struct fuse_conn_info;

namespace castool::fusefs {

struct SessionContext;

// Of the INIT handler: what is asked of the kernel. session_io.h adds what an old libfuse leaves
// out.
void want_features(const SessionContext& context, fuse_conn_info& connection) noexcept;

}  // namespace castool::fusefs
