// How files of a ModelFs are opened, and the two ways in which some may be opened to write: the
// graph.pbtxt of a model, and a GGUF that is mapped writable.
#include <fcntl.h>

#include <cerrno>

#include "base/hasher.h"
#include "fusefs/model_fs.h"

namespace castool::fusefs {
namespace {

constexpr int kAccess = O_ACCMODE;
constexpr std::string_view kGraphName = "graph.pbtxt";

bool only_reads(int flags) { return (flags & kAccess) == O_RDONLY && (flags & O_TRUNC) == 0; }

}  // namespace

void ModelFs::open(NodeId id, const Opening& opening, const OpenFiles::OpenDone& done) {
  const auto node = resolve(id);
  if (!node) return done(node.error());
  if ((*node)->is_directory()) return done(Errno{EISDIR});
  // Whoever finds somebody's own node finds the usual one at the next look-up.
  if (only_reads(opening.flags))
    return is_writer(id) ? done(Errno{ESTALE}) : files_.open(id, *node, done);
  const bool maps = (opening.flags & kAccess) == O_RDWR && (opening.flags & O_TRUNC) == 0;
  if (!maps || (*node)->access() != Access::kReadOrMapWritable) return done(Errno{EROFS});
  if (is_writer(id) && writers_.take(id)) return files_.open(id, *node, done);
  writers_.want(opening.task, (*node)->ino());
  done(Errno{ESTALE});
}

Answer<std::string> ModelFs::readlink(NodeId id) const {
  const auto node = resolve(id);
  if (!node) return node.error();
  const std::string* target = (*node)->link();
  if (target == nullptr) return Errno{EINVAL};
  return *target;
}

Errno ModelFs::refuse_write(NodeId id) const { return Errno{is_writer(id) ? EPERM : EROFS}; }

void ModelFs::purge_written(NodeId id) {
  if (!is_writer(id) || parts_.pages == nullptr) return;
  if (files_.give_up(id)) return;
  writers_.purge(*parts_.pages, id);
}

Answer<std::optional<GraphFiles::Handle>> ModelFs::open_graph(NodeId id, int flags) {
  const auto node = resolve(id);
  if (!node) return node.error();
  if (!(*node)->rewritable()) return std::optional<GraphFiles::Handle>();
  const bool anew = (flags & kAccess) == O_WRONLY && (flags & O_TRUNC) != 0;
  if (!anew && !only_reads(flags)) return Errno{EROFS};
  const auto handle =
      graphs_.open(**node, anew ? GraphFiles::For::kWritingAnew : GraphFiles::For::kReading);
  if (!handle) return handle.error();
  return std::optional(*handle);
}

Answer<ModelFs::Created> ModelFs::create(NodeId parent, std::string_view name, int flags) {
  const auto directory = resolve_directory(parent);
  if (!directory) return directory.error();
  if (name != kGraphName || (flags & kAccess) != O_WRONLY) return Errno{EROFS};
  const auto child = (*directory)->child(name);
  if (!child) return log_unreadable(log_, **directory, child.error());
  if (!*child || !(*child)->rewritable()) return Errno{EROFS};
  if ((flags & O_EXCL) != 0 && graphs_.now(**child)) return Errno{EEXIST};
  const auto handle = graphs_.create(**child);
  if (!handle) return handle.error();
  Created created{entry_of(**directory, *child), *handle};
  if (const auto counted = remember(created.entry); !counted) {
    graphs_.release(*handle);
    return counted.error();
  }
  return created;
}

base::Digest ModelFs::digest_now(const Node& file) const {
  if (!file.rewritable()) return digest_of(file.content());
  const auto text = graphs_.now(file);
  return base::Sha256::of(std::string_view(text ? *text->text : std::string()));
}

}  // namespace castool::fusefs
