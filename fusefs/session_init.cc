#include "fusefs/session_init.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "fusefs/session.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

namespace castool::fusefs {
namespace {

constexpr unsigned kWanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
                             FUSE_CAP_READDIRPLUS_AUTO;

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
        std::uint64_t{FUSE_CAP_PASSTHROUGH}}) {
    static_cast<void>(::fuse_set_feature_flag(&connection, flag));
  }
  connection.max_backing_stack_depth = context.stack_depth;
}

base::Status watch_init(fuse_session&, int) { return base::ok(); }

#else

namespace {

// Of fuse_in_header: u32 length, u32 opcode, u64 unique.
constexpr std::size_t kOpcodeAt = 4;
constexpr std::size_t kUniqueAt = 8;
constexpr std::uint32_t kInit = 26;
// Of fuse_init_out, 64 bytes: u32 flags at 12, u32 flags2 at 32, u32 max_stack_depth at 36.
constexpr std::size_t kInitReply = 64;
constexpr std::size_t kFlagsAt = 12;
constexpr std::size_t kFlags2At = 32;
constexpr std::size_t kStackDepthAt = 36;
constexpr std::uint32_t kInitExt = 1U << 30;
constexpr std::uint32_t kParallelDirectoryOps = 1U << 18;  // asked for, and not sent before 3.17
constexpr std::uint32_t kPassthrough2 = 1U << 5;           // bit 37 of both flag words together

template <class T>
T load(const void* at, std::size_t offset) {
  T value;
  std::memcpy(&value, static_cast<const char*>(at) + offset, sizeof value);
  return value;
}

void set_bits(std::array<char, kInitReply>& reply, std::size_t offset, std::uint32_t bits) {
  const auto value = load<std::uint32_t>(reply.data(), offset) | bits;
  std::memcpy(reply.data() + offset, &value, sizeof value);
}

ssize_t read_request(int device, void* buffer, std::size_t size, void* user) {
  const ssize_t got = ::read(device, buffer, size);
  if (got > static_cast<ssize_t>(kUniqueAt + sizeof(std::uint64_t)) &&
      load<std::uint32_t>(buffer, kOpcodeAt) == kInit) {
    static_cast<SessionContext*>(user)->init = load<std::uint64_t>(buffer, kUniqueAt);
  }
  return got;
}

// fuse_out_header: u32 length, i32 error, u64 unique.
bool answers_init(const SessionContext& context, const iovec* parts, int count) {
  return count == 2 && parts[1].iov_len == kInitReply && context.init != 0 &&
         load<std::uint64_t>(parts[0].iov_base, kUniqueAt) == context.init &&
         load<std::int32_t>(parts[0].iov_base, kOpcodeAt) == 0;
}

ssize_t write_reply(int device, iovec* parts, int count, void* user) {
  auto& context = *static_cast<SessionContext*>(user);
  if (!answers_init(context, parts, count)) return ::writev(device, parts, count);
  context.init = 0;
  std::array<char, kInitReply> reply;
  std::memcpy(reply.data(), parts[1].iov_base, reply.size());
  set_bits(reply, kFlagsAt, kInitExt | kParallelDirectoryOps);
  set_bits(reply, kFlags2At, kPassthrough2);
  set_bits(reply, kStackDepthAt, context.stack_depth);
  std::array<iovec, 2> patched{parts[0], iovec{reply.data(), reply.size()}};
  return ::writev(device, patched.data(), static_cast<int>(patched.size()));
}

}  // namespace

void want_features(const SessionContext&, fuse_conn_info& connection) noexcept {
  // Without AUTO_INVAL_DATA: content never changes under a node id. Without splice and write-back.
  connection.want = connection.capable & kWanted;
}

base::Status watch_init(fuse_session& session, int device) {
  fuse_custom_io io{};
  io.read = read_request;
  io.writev = write_reply;
  const int failed = ::fuse_session_custom_io(&session, &io, device);
  if (failed == 0) return base::ok();
  return base::errno_error(-failed, "libfuse's custom I/O");
}

#endif

}  // namespace castool::fusefs
