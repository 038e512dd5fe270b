#include "fusefs/session_writes.h"

#include <cerrno>

#include "fusefs/session.h"
#include "fusefs/session_lookups.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

namespace castool::fusefs {
namespace {

ModelFs& fs_of(fuse_req_t req) {
  return *static_cast<const SessionContext*>(::fuse_req_userdata(req))->fs;
}

// Only the handles of graphs are other than 0; nothing else has anything to be put away.
void put_away(fuse_req_t req, const fuse_file_info& info) {
  int error = 0;
  if (info.fh != 0) {
    const auto flushed = fs_of(req).graphs().flush(info.fh);
    if (!flushed) error = flushed.error().value;
  }
  ::fuse_reply_err(req, error);
}

}  // namespace

void on_create(fuse_req* req, std::uint64_t parent, const char* name, mode_t,
               fuse_file_info* info) noexcept {
  ModelFs& fs = fs_of(req);
  const auto created = fs.create(parent, name, info->flags);
  if (!created) {
    ::fuse_reply_err(req, created.error().value);
    return;
  }
  const fuse_entry_param param = entry_param(fs, created->entry);
  info->fh = created->handle;
  info->direct_io = 1;
  if (::fuse_reply_create(req, &param, info) != -ENOENT) return;
  // Whoever asked has gone, and the kernel never learns of what it was given.
  fs.forget(param.ino, 1);
  fs.graphs().release(created->handle);
}

void on_write(fuse_req* req, std::uint64_t id, const char* bytes, std::size_t size, off_t offset,
              fuse_file_info* info) noexcept {
  ModelFs& fs = fs_of(req);
  if (info->fh == 0) {
    ::fuse_reply_err(req, fs.refuse_write(id).value);
    fs.purge_written(id);
    return;
  }
  const auto written =
      fs.graphs().write(info->fh, static_cast<std::uint64_t>(offset), {bytes, size});
  if (written)
    ::fuse_reply_write(req, *written);
  else
    ::fuse_reply_err(req, written.error().value);
}

void on_flush(fuse_req* req, std::uint64_t, fuse_file_info* info) noexcept { put_away(req, *info); }

void on_fsync(fuse_req* req, std::uint64_t, int, fuse_file_info* info) noexcept {
  put_away(req, *info);
}

}  // namespace castool::fusefs
