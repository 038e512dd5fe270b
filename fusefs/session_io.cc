#include "fusefs/session_io.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "fusefs/session.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

namespace castool::fusefs {
namespace {

// Of fuse_in_header: u32 length, u32 opcode, u64 unique.
constexpr std::size_t kOpcodeAt = 4;
constexpr std::size_t kUniqueAt = 8;
constexpr std::uint32_t kInit = 26;
// Of fuse_init_out, 64 bytes: u32 flags at 12, u32 max_write at 20, u16 max_pages at 28, u32 flags2
// at 32, u32 max_stack_depth at 36.
constexpr std::size_t kInitReply = 64;
constexpr std::size_t kFlagsAt = 12;
constexpr std::size_t kMaxWriteAt = 20;
constexpr std::size_t kMaxPagesAt = 28;
constexpr std::size_t kFlags2At = 32;
constexpr std::size_t kStackDepthAt = 36;

template <class T>
T load(const void* at, std::size_t offset) {
  T value;
  std::memcpy(&value, static_cast<const char*>(at) + offset, sizeof value);
  return value;
}

#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)

constexpr std::uint32_t kInitExt = 1U << 30;
constexpr std::uint32_t kParallelDirectoryOps = 1U << 18;  // asked for, and not sent before 3.17
constexpr std::uint32_t kPassthrough2 = 1U << 5;           // bit 37 of both flag words together

void set_bits(std::string& reply, std::size_t offset, std::uint32_t bits) {
  const auto value = load<std::uint32_t>(reply.data(), offset) | bits;
  std::memcpy(reply.data() + offset, &value, sizeof value);
}

void complete(std::string& reply, const SessionContext& context) {
  set_bits(reply, kFlagsAt, kInitExt | kParallelDirectoryOps);
  set_bits(reply, kFlags2At, kPassthrough2);
  set_bits(reply, kStackDepthAt, context.stack_depth);
}

#else

void complete(std::string&, const SessionContext&) {}

#endif

ssize_t read_request(int device, void* buffer, std::size_t size, void* user) {
  const ssize_t got = ::read(device, buffer, size);
  if (got < static_cast<ssize_t>(kUniqueAt + sizeof(std::uint64_t))) return got;
  auto& context = *static_cast<SessionContext*>(user);
  const char* const bytes = static_cast<const char*>(buffer);
  if (load<std::uint32_t>(bytes, kOpcodeAt) == kInit) {
    context.init = load<std::uint64_t>(bytes, kUniqueAt);
    context.init_request.assign(bytes, static_cast<std::size_t>(got));
  } else {
    context.requests.came({bytes, static_cast<std::size_t>(got)});
  }
  return got;
}

// fuse_out_header: u32 length, i32 error, u64 unique.
bool answers_init(const SessionContext& context, const iovec* parts, int count) {
  return count == 2 && parts[1].iov_len == kInitReply && context.init != 0 &&
         load<std::uint64_t>(parts[0].iov_base, kUniqueAt) == context.init &&
         load<std::int32_t>(parts[0].iov_base, kOpcodeAt) == 0;
}

ssize_t answer_init(int device, const iovec& header, const iovec& reply, SessionContext& context) {
  context.init = 0;
  context.init_reply.assign(static_cast<const char*>(reply.iov_base), reply.iov_len);
  complete(context.init_reply, context);
  if (context.repeats_init) return static_cast<ssize_t>(header.iov_len + reply.iov_len);
  std::array<iovec, 2> completed{header,
                                 iovec{context.init_reply.data(), context.init_reply.size()}};
  return ::writev(device, completed.data(), static_cast<int>(completed.size()));
}

ssize_t write_reply(int device, iovec* parts, int count, void* user) {
  auto& context = *static_cast<SessionContext*>(user);
  if (context.silent) {
    std::size_t size = 0;
    for (int i = 0; i < count; ++i) size += parts[i].iov_len;
    return static_cast<ssize_t>(size);
  }
  if (answers_init(context, parts, count)) return answer_init(device, parts[0], parts[1], context);
  const auto unique = load<std::uint64_t>(parts[0].iov_base, kUniqueAt);
  const ssize_t sent = ::writev(device, parts, count);
  const int failed = errno;
  context.requests.answered(unique);
  errno = failed;
  return sent;
}

void process(fuse_session& session, const std::string& request) {
  std::string bytes = request;
  fuse_buf buffer{};
  buffer.size = bytes.size();
  buffer.mem = bytes.data();
  ::fuse_session_process_buf(&session, &buffer);
}

// Whether the kernel would treat both alike. The protocol's minor number is libfuse's business.
bool same_agreement(const std::string& one, const std::string& other) {
  if (one.size() != kInitReply || other.size() != kInitReply) return false;
  for (const std::size_t at : {kFlagsAt, kMaxWriteAt, kFlags2At, kStackDepthAt}) {
    if (load<std::uint32_t>(one.data(), at) != load<std::uint32_t>(other.data(), at)) return false;
  }
  return load<std::uint16_t>(one.data(), kMaxPagesAt) ==
         load<std::uint16_t>(other.data(), kMaxPagesAt);
}

}  // namespace

base::Status watch_io(fuse_session& session, int device) {
  fuse_custom_io io{};
  io.read = read_request;
  io.writev = write_reply;
  const int failed = ::fuse_session_custom_io(&session, &io, device);
  if (failed == 0) return base::ok();
  return base::errno_error(-failed, "libfuse's custom I/O");
}

base::Status repeat_init(fuse_session& session, SessionContext& context,
                         const ConnectionState& connection) {
  const auto refused = [] {
    return base::make_error(base::Code::kUnsupported,
                            "the mount was made with other features, by another version",
                            "castool umount it, then mount it anew");
  };
  if (connection.init_request.size() < kUniqueAt + sizeof(std::uint64_t)) return refused();
  context.repeats_init = true;
  context.init_request = connection.init_request;
  context.init = load<std::uint64_t>(connection.init_request.data(), kUniqueAt);
  process(session, connection.init_request);
  context.repeats_init = false;
  if (!same_agreement(context.init_reply, connection.init_reply)) return refused();
  return base::ok();
}

void take_requests(fuse_session& session, SessionContext& context,
                   const ConnectionState& connection) {
  for (const std::string& request : connection.requests) {
    context.requests.came(request);
    process(session, request);
  }
}

}  // namespace castool::fusefs
