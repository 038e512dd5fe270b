#include "fusefs/session_reads.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "fusefs/session.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

namespace castool::fusefs {
namespace {

constexpr std::size_t kPage = 4096;

const SessionContext& context_of(fuse_req_t req) {
  return *static_cast<const SessionContext*>(::fuse_req_userdata(req));
}

void log_failed_read(fuse_req_t req, const Slice& slice, int error) {
  context_of(req).log->error("read of {} at {} failed: errno {}", slice.digest.text(), slice.offset,
                             error);
}

// A reply never is short before the end of the file: all of it or EIO.
void reply_from_descriptor(fuse_req_t req, const Slice& slice) {
  const auto bytes = std::make_unique_for_overwrite<char[]>(slice.size);
  std::size_t done = 0;
  while (done < slice.size) {
    const ssize_t got = ::pread(slice.fd, bytes.get() + done, slice.size - done,
                                static_cast<off_t>(slice.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      log_failed_read(req, slice, got < 0 ? errno : EIO);
      ::fuse_reply_err(req, EIO);
      return;
    }
    done += static_cast<std::size_t>(got);
  }
  ::fuse_reply_buf(req, bytes.get(), slice.size);
}

void reply_slice(fuse_req_t req, const Slice& slice) {
  if (slice.size == 0) {
    ::fuse_reply_buf(req, nullptr, 0);
    return;
  }
  if (slice.data == nullptr) return reply_from_descriptor(req, slice);
  // When the disk fails under the mapping the kernel cannot copy, and ends the request with EIO.
  // The request is gone after the call, so what the log needs is taken before.
  base::Log& log = *context_of(req).log;
  const int sent = ::fuse_reply_buf(req, reinterpret_cast<const char*>(slice.data), slice.size);
  if (sent < 0 && sent != -ENOENT)
    log.error("read of {} at {} failed: errno {}", slice.digest.text(), slice.offset, -sent);
}

void on_interrupt(fuse_req_t req, void* number) {
  context_of(req).fs->files().waiting().interrupt(reinterpret_cast<PendingReads::Number>(number));
}

// The request is told how it can be interrupted before anything can answer it: afterwards it may be
// gone.
void reply_later(fuse_req_t req, OpenFiles& files, Later later) {
  const PendingReads::Number number =
      files.wait_for(std::move(later), [req](const Answer<Slice>& answer) {
        if (answer)
          reply_slice(req, *answer);
        else
          ::fuse_reply_err(req, answer.error().value);
      });
  ::fuse_req_interrupt_func(req, on_interrupt, reinterpret_cast<void*>(number));
  files.waiting().start(number);
}

}  // namespace

bool may_be_read_ahead(std::size_t size, int flags) {
  return size > kPage && (flags & O_DIRECT) == 0;
}

void on_read(fuse_req* req, std::uint64_t id, std::size_t size, off_t offset,
             fuse_file_info* info) noexcept {
  if (info->fh != 0) {
    const auto text =
        context_of(req).fs->graphs().read(info->fh, static_cast<std::uint64_t>(offset), size);
    if (text)
      ::fuse_reply_buf(req, text->data(), text->size());
    else
      ::fuse_reply_err(req, text.error().value);
    return;
  }
  OpenFiles& files = context_of(req).fs->files();
  auto answer = files.read(id, static_cast<std::uint64_t>(offset), size);
  if (!answer) {
    ::fuse_reply_err(req, answer.error().value);
    return;
  }
  if (const auto* slice = std::get_if<Slice>(&*answer)) return reply_slice(req, *slice);
  const bool crowded = files.waiting().size() >= context_of(req).most_waiting;
  if (crowded && may_be_read_ahead(size, info->flags)) {
    ::fuse_reply_err(req, EIO);
    return;
  }
  reply_later(req, files, std::get<Later>(std::move(*answer)));
}

}  // namespace castool::fusefs
