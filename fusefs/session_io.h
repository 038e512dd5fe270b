// What goes to the kernel and comes from it, on its way through libfuse (fuse_session_custom_io):
//   - INIT and its reply are kept, and the reply is completed where libfuse is too old for that;
//   - requests that are not answered at once are kept until they are (unanswered_requests.h);
//   - a session that took a mount over has INIT answered to nobody: the kernel had its reply;
//   - one that handed its mount over says nothing any more.
//
// libfuse knows passthrough from 3.17 on. Older ones (Debian 12 has 3.14) build an INIT reply of
// the right length and leave its two fields for it empty. The kernel ignores the offer where it
// cannot do it, and KernelFiles::probe() finds out.
#pragma once

#include "base/result.h"
#include "fusefs/handover_state.h"

struct fuse_session;

namespace castool::fusefs {

struct SessionContext;

// Before the session serves; its user data is a SessionContext. `device` is its descriptor.
[[nodiscard]] base::Status watch_io(fuse_session& session, int device);

// Makes the session what the one was that had the connection before, and takes the requests that
// this one left. kUnsupported when it would have agreed on something else with the kernel.
[[nodiscard]] base::Status repeat_init(fuse_session& session, SessionContext& context,
                                       const ConnectionState& connection);
void take_requests(fuse_session& session, SessionContext& context,
                   const ConnectionState& connection);

}  // namespace castool::fusefs
