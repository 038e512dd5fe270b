#include "fusefs/session_ops.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fusefs/session.h"
#include "fusefs/session_init.h"
#include "fusefs/session_lookups.h"
#include "fusefs/session_reads.h"
#include "fusefs/session_writes.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

namespace castool::fusefs {
namespace {

const SessionContext& context_of(fuse_req_t req) {
  return *static_cast<const SessionContext*>(::fuse_req_userdata(req));
}
ModelFs& fs_of(fuse_req_t req) { return *context_of(req).fs; }

void reply_error(fuse_req_t req, Errno error) { ::fuse_reply_err(req, error.value); }

// libfuse gives -ENOENT when the caller was killed while it waited: the kernel then never learns of
// what the reply would have given it.
bool delivered(int sent) { return sent != -ENOENT; }

void on_init(void* context, fuse_conn_info* connection) noexcept {
  want_features(*static_cast<SessionContext*>(context), *connection);
  // Read-ahead requests stop at this many and then block every file of the mount.
  connection->max_background = 65535;
  connection->congestion_threshold = 49151;
}

void on_forget(fuse_req_t req, fuse_ino_t ino, std::uint64_t count) noexcept {
  fs_of(req).forget(ino, count);
  ::fuse_reply_none(req);
}

void on_forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) noexcept {
  for (std::size_t i = 0; i < count; ++i) fs_of(req).forget(forgets[i].ino, forgets[i].nlookup);
  ::fuse_reply_none(req);
}

void on_getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) noexcept {
  const ModelFs& fs = fs_of(req);
  const auto entry = fs_of(req).getattr(ino);
  if (!entry) return reply_error(req, entry.error());
  const struct stat attr = fs.stat_of(*entry->node);
  ::fuse_reply_attr(req, &attr, entry->attr_seconds);
}

// fuse_open_out of the kernel's protocol, 7.40: libfuse 3.14 cannot fill in its last field.
struct OpenReply {
  std::uint64_t handle = 0;
  std::uint32_t flags = 0;
  std::int32_t native = 0;
};
constexpr std::uint32_t kDirectIo = 1U << 0;
constexpr std::uint32_t kKeepCache = 1U << 1;
// Closing needs no answer of ours, so that it also works when the daemon has died.
constexpr std::uint32_t kNoFlush = 1U << 5;
constexpr std::uint32_t kPassthrough = 1U << 7;

void reply_open(fuse_req_t req, ModelFs& fs, NodeId id, const Answer<OpenedFile>& opened) {
  if (!opened) return reply_error(req, opened.error());
  OpenReply reply;
  reply.flags = opened->native ? kPassthrough : kKeepCache;
  // What somebody wrote into a mapping is to come out, and be refused, before his close returns.
  if (!is_writer(id)) reply.flags |= kNoFlush;
  reply.native = opened->native.value_or(0);
  if (!delivered(::fuse_reply_buf(req, reinterpret_cast<const char*>(&reply), sizeof reply)))
    fs.release(id);
}

void on_open(fuse_req_t req, fuse_ino_t id, fuse_file_info* info) noexcept {
  ModelFs& fs = fs_of(req);
  const auto graph = fs.open_graph(id, info->flags);
  if (!graph) return reply_error(req, graph.error());
  if (*graph) {
    const OpenReply reply{**graph, kDirectIo, 0};
    if (!delivered(::fuse_reply_buf(req, reinterpret_cast<const char*>(&reply), sizeof reply)))
      fs.graphs().release(**graph);
    return;
  }
  fs.open(id, {info->flags, ::fuse_req_ctx(req)->pid},
          [req, &fs, id](const Answer<OpenedFile>& opened) { reply_open(req, fs, id, opened); });
}

// A handle other than 0 is that of a graph.pbtxt.
void on_release(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) noexcept {
  if (info->fh != 0)
    fs_of(req).graphs().release(info->fh);
  else
    fs_of(req).release(ino);
  ::fuse_reply_err(req, 0);
}

void on_opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) noexcept {
  ModelFs& fs = fs_of(req);
  const auto opened = fs.opendir(ino);
  if (!opened) return reply_error(req, opened.error());
  info->fh = opened->handle;
  // A listing that can change is never kept in the page cache.
  const bool fixed = opened->lifetime == Lifetime::kFixed;
  info->cache_readdir = fixed ? 1 : 0;
  info->keep_cache = fixed ? 1 : 0;
  if (!delivered(::fuse_reply_open(req, info))) fs.releasedir(opened->handle);
}

void on_releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* info) noexcept {
  fs_of(req).releasedir(info->fh);
  ::fuse_reply_err(req, 0);
}

enum class Plus { kNo, kYes };

// Fills one reply. Entry n has offset n + 1, which is where the next one is asked for: ".", "..",
// and the children in name order.
class DirectoryReply {
 public:
  DirectoryReply(fuse_req_t req, std::size_t size, Plus plus)
      : req_(req), fs_(fs_of(req)), plus_(plus), bytes_(size) {}

  void fill(const Listing& listing, std::uint64_t offset) {
    const std::uint64_t count = listing.children->size() + 2;
    for (std::uint64_t n = offset; n < count; ++n) {
      const bool fits =
          n < 2 ? add_dots(listing, n) : add(*listing.directory, (*listing.children)[n - 2], n);
      if (!fits) return;
    }
  }

  void send() {
    const int sent = ::fuse_reply_buf(req_, bytes_.data(), used_);
    if (delivered(sent)) return;
    for (const NodeId id : counted_) fs_.forget(id, 1);
  }

 private:
  bool add_dots(const Listing& listing, std::uint64_t n) {
    fuse_entry_param param{};
    param.attr.st_ino = n == 0 ? listing.directory->ino() : listing.directory->parent();
    param.attr.st_mode = S_IFDIR;
    return put(n == 0 ? "." : "..", param, n);
  }

  bool add(const Node& directory, const NodePtr& child, std::uint64_t n) {
    const Entry entry = fs_.entry_of(directory, child);
    if (!entry.node) return true;
    fuse_entry_param param = entry_param(fs_, entry);
    if (plus_ == Plus::kNo) return put(child->name().c_str(), param, n);
    const auto counted = fs_.remember(entry);
    // Id 0 is a name whose attributes the kernel asks for by itself.
    if (!counted) param.ino = 0;
    const bool fits = put(child->name().c_str(), param, n);
    if (counted && fits) counted_.push_back(*counted);
    if (counted && !fits) fs_.forget(*counted, 1);
    return fits;
  }

  bool put(const char* name, const fuse_entry_param& param, std::uint64_t n) {
    char* const at = bytes_.data() + used_;
    const std::size_t left = bytes_.size() - used_;
    const auto next = static_cast<off_t>(n + 1);
    const std::size_t taken = plus_ == Plus::kYes
                                  ? ::fuse_add_direntry_plus(req_, at, left, name, &param, next)
                                  : ::fuse_add_direntry(req_, at, left, name, &param.attr, next);
    if (taken > left) return false;
    used_ += taken;
    return true;
  }

  fuse_req_t req_;
  ModelFs& fs_;
  Plus plus_;
  std::vector<char> bytes_;
  std::size_t used_ = 0;
  std::vector<NodeId> counted_;
};

void reply_directory(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t offset,
                     const fuse_file_info& info, Plus plus) {
  const auto from = static_cast<std::uint64_t>(offset);
  const auto listing = fs_of(req).list(info.fh, ino, from);
  if (!listing) return reply_error(req, listing.error());
  DirectoryReply reply(req, size, plus);
  reply.fill(*listing, from);
  reply.send();
}

void on_readdir(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t offset,
                fuse_file_info* info) noexcept {
  reply_directory(req, ino, size, offset, *info, Plus::kNo);
}

void on_readdirplus(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t offset,
                    fuse_file_info* info) noexcept {
  reply_directory(req, ino, size, offset, *info, Plus::kYes);
}

void reply_xattr(fuse_req_t req, std::string_view value, std::size_t size) {
  if (size == 0)
    ::fuse_reply_xattr(req, value.size());
  else if (size < value.size())
    ::fuse_reply_err(req, ERANGE);
  else
    ::fuse_reply_buf(req, value.data(), value.size());
}

void on_getxattr(fuse_req_t req, fuse_ino_t ino, const char* name, std::size_t size) noexcept {
  const auto value = fs_of(req).getxattr(ino, name);
  if (!value) return reply_error(req, value.error());
  reply_xattr(req, *value, size);
}

void on_listxattr(fuse_req_t req, fuse_ino_t ino, std::size_t size) noexcept {
  const auto names = fs_of(req).listxattr(ino);
  if (!names) return reply_error(req, names.error());
  std::string joined;
  for (const std::string& name : *names) joined.append(name).push_back('\0');
  reply_xattr(req, joined, size);
}

void on_readlink(fuse_req_t req, fuse_ino_t ino) noexcept {
  const auto target = fs_of(req).readlink(ino);
  if (!target) return reply_error(req, target.error());
  ::fuse_reply_readlink(req, target->c_str());
}

void on_statfs(fuse_req_t req, fuse_ino_t) noexcept {
  const auto space = fs_of(req).statfs();
  if (!space) return reply_error(req, space.error());
  ::fuse_reply_statfs(req, &*space);
}

// Everything that would change something, whatever its arguments.
template <class... Arguments>
void refuse(fuse_req_t req, Arguments...) noexcept {
  ::fuse_reply_err(req, EROFS);
}

fuse_lowlevel_ops make_ops() {
  fuse_lowlevel_ops ops{};
  ops.init = on_init;
  ops.lookup = on_lookup;
  ops.forget = on_forget;
  ops.forget_multi = on_forget_multi;
  ops.getattr = on_getattr;
  ops.readlink = on_readlink;
  ops.open = on_open;
  ops.read = on_read;
  ops.release = on_release;
  ops.opendir = on_opendir;
  ops.readdir = on_readdir;
  ops.readdirplus = on_readdirplus;
  ops.releasedir = on_releasedir;
  ops.getxattr = on_getxattr;
  ops.listxattr = on_listxattr;
  ops.statfs = on_statfs;
  ops.create = on_create;
  ops.write = on_write;
  ops.flush = on_flush;
  ops.fsync = on_fsync;
  ops.setattr = refuse;
  ops.mknod = refuse;
  ops.mkdir = refuse;
  ops.unlink = refuse;
  ops.rmdir = refuse;
  ops.symlink = refuse;
  ops.rename = refuse;
  ops.link = refuse;
  ops.setxattr = refuse;
  ops.removexattr = refuse;
  ops.fallocate = refuse;
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& session_ops() {
  static const fuse_lowlevel_ops ops = make_ops();
  return ops;
}

std::size_t session_ops_size() { return sizeof(fuse_lowlevel_ops); }

}  // namespace castool::fusefs
