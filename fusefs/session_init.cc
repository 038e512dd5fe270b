#include "fusefs/session_init.h"

#include <cstdint>

#include "fusefs/session.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

namespace castool::fusefs {
namespace {

constexpr unsigned kWanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
                             FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ATOMIC_O_TRUNC;

}  // namespace

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)

void want_features(const SessionContext& context, fuse_conn_info& connection) noexcept {
  // Without AUTO_INVAL_DATA: content never changes under a node id. Without splice and write-back.
  // Only by these calls: a flag set in `want` as well fails the mount.
  connection.want = 0;
  connection.want_ext = 0;
  for (const std::uint64_t flag :
       {std::uint64_t{FUSE_CAP_ASYNC_READ}, std::uint64_t{FUSE_CAP_PARALLEL_DIROPS},
        std::uint64_t{FUSE_CAP_READDIRPLUS}, std::uint64_t{FUSE_CAP_READDIRPLUS_AUTO},
        std::uint64_t{FUSE_CAP_ATOMIC_O_TRUNC}, std::uint64_t{FUSE_CAP_PASSTHROUGH}}) {
    static_cast<void>(::fuse_set_feature_flag(&connection, flag));
  }
  // libfuse tells the kernel one more: ours counts the mount, theirs only what is below it.
  connection.max_backing_stack_depth = context.stack_depth - 1;
}

#else

void want_features(const SessionContext&, fuse_conn_info& connection) noexcept {
  // Without AUTO_INVAL_DATA: content never changes under a node id. Without splice and write-back.
  connection.want = connection.capable & kWanted;
}

#endif

}  // namespace castool::fusefs
