// What the mount and the kernel agree on at INIT, passthrough included, whichever libfuse there is.
//
// libfuse knows passthrough from 3.17 on. Older ones (Debian 12 has 3.14) build an INIT reply of
// the right length and leave its two fields for it empty: there, requests and replies go through
// calls of ours that fill them in on the way (fuse_session_custom_io). The kernel ignores the offer
// where it cannot do it, and KernelFiles::probe() finds out.
#pragma once

#include "base/result.h"

struct fuse_conn_info;
struct fuse_session;

namespace castool::fusefs {

struct SessionContext;

// Of the INIT handler: what is asked of the kernel.
void want_features(const SessionContext& context, fuse_conn_info& connection) noexcept;

// Before the session serves; its user data is a SessionContext. `device` is its descriptor.
[[nodiscard]] base::Status watch_init(fuse_session& session, int device);

}  // namespace castool::fusefs
