// The file system as the kernel sees it, without libfuse: every operation is a call that returns a
// value or an errno. session.cc only translates.
//
// Invariants
//   1. A node that was looked up stays valid until it was forgotten as often, whatever tree is
//   shown;
//      an open file keeps its bytes until it is released.
//   2. One node id has one content for the life of the mount, and is open either through the page
//      cache or natively (native_files.h), not both at once. A file that becomes fit for the latter
//      gets another id at its next look-up; who has it open goes on with the old one.
//   3. What may change (a directory above the models, a name in one, a file's id) is cached by the
//   kernel for
//      kVolatileSeconds at most; everything else never changes and is cached long. So the mount
//      sends no invalidations, and cannot get into the deadlocks that they bring.
//
// Thread rule: every member is safe from any thread. No lock is held over I/O, and never two at
// once.
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tl/expected.hpp>

#include "base/log.h"
#include "base/mutex.h"
#include "fusefs/blob_opener.h"
#include "fusefs/native_files.h"
#include "fusefs/open_file.h"
#include "fusefs/tree.h"

namespace castool::fusefs {

inline constexpr double kVolatileSeconds = 0.2;
inline constexpr double kFixedSeconds = 3600;

// A value or the errno of a FUSE reply.
struct Errno {
  int value = 0;
};
template <class T>
class [[nodiscard]] Answer : public tl::expected<T, Errno> {
 public:
  using tl::expected<T, Errno>::expected;
  Answer(Errno e) : tl::expected<T, Errno>(tl::unexpect, e) {}
  Answer(tl::unexpected<Errno> e) : tl::expected<T, Errno>(e) {}
};

// What a LOOKUP gives. A null node is a name that is not there, which may be cached too.
struct Entry {
  NodePtr node;
  NodeId id = 0;
  double entry_seconds = 0;
  double attr_seconds = 0;
};

// The children of a directory as they were when reading it began.
struct Listing {
  NodePtr directory;
  const Children* children = nullptr;
};

class ModelFs {
 public:
  struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
  };

  // `native` is null where the kernel cannot read files by itself.
  ModelFs(TreePtr tree, BlobOpener& blobs, NativeFiles* native, Owner owner, base::Log& log);

  // Shows another tree from now on.
  void replace(TreePtr tree);
  [[nodiscard]] TreePtr tree() const;

  // Counts one look-up on success with a node. ENOENT is an Entry without a node.
  Answer<Entry> lookup(NodeId parent, std::string_view name);
  void forget(NodeId id, std::uint64_t count);
  Answer<Entry> getattr(NodeId id);
  [[nodiscard]] struct stat stat_of(const Node& node) const;

  // How a file was opened: by the page cache, or natively under the kernel's number for the blob.
  struct OpenedFile {
    std::optional<std::int32_t> native;
  };
  // EROFS for every mode but reading; ESTALE when the id is a native one and the blob is not fit
  // for that any more: the kernel then looks the name up again. Each success is released once.
  Answer<OpenedFile> open(NodeId id, int flags);
  Answer<Slice> read(NodeId id, std::uint64_t offset, std::size_t size);
  void release(NodeId id);

  struct OpenedDirectory {
    std::uint64_t handle = 0;
    Lifetime lifetime = Lifetime::kFixed;
  };
  Answer<OpenedDirectory> opendir(NodeId id);
  // From the start (`offset` 0) the directory as it is now, later the same listing again.
  Answer<Listing> list(std::uint64_t handle, NodeId id, std::uint64_t offset);
  void releasedir(std::uint64_t handle);
  // The entry of a listed child; remember() counts it as looked up once it was sent (READDIRPLUS).
  [[nodiscard]] Entry entry_of(const Node& directory, NodePtr child) const;
  Answer<NodeId> remember(const Entry& entry);

  Answer<std::string> getxattr(NodeId id, std::string_view name);
  Answer<std::vector<std::string>> listxattr(NodeId id);
  Answer<struct statvfs> statfs();

  // For tests: how many nodes and files the kernel holds.
  [[nodiscard]] std::size_t known_nodes() const;
  [[nodiscard]] std::size_t open_files() const;

 private:
  struct Known {
    NodePtr node;
    std::uint64_t count = 0;
  };
  struct Opened {
    std::shared_ptr<const OpenFile> file;
    std::uint64_t count = 0;
    std::optional<std::int32_t> native;
  };

  OpenedFile keep_open(NodeId id, Opened fresh);
  [[nodiscard]] NodePtr known(NodeId id) const;
  Answer<NodePtr> resolve(NodeId id) const;
  Answer<NodePtr> resolve_directory(NodeId id) const;
  Answer<std::shared_ptr<const OpenFile>> open_content(const Node& node);
  [[nodiscard]] bool may_be_native(const Node& node) const;
  [[nodiscard]] bool is_native_now(const Node& node) const;
  [[nodiscard]] std::optional<std::int32_t> make_native(const OpenFile& file);
  Errno content_failure(const Node& node, const base::Error& error);

  BlobOpener& blobs_;
  NativeFiles* const native_;
  const Owner owner_;
  base::Log& log_;

  mutable base::Mutex tree_mutex_;
  TreePtr tree_ CASTOOL_GUARDED_BY(tree_mutex_);
  mutable base::Mutex nodes_mutex_;
  std::unordered_map<NodeId, Known> nodes_ CASTOOL_GUARDED_BY(nodes_mutex_);
  mutable base::Mutex files_mutex_;
  std::unordered_map<NodeId, Opened> files_ CASTOOL_GUARDED_BY(files_mutex_);
  mutable base::Mutex listings_mutex_;
  std::uint64_t next_handle_ CASTOOL_GUARDED_BY(listings_mutex_) = 1;
  std::unordered_map<std::uint64_t, NodePtr> listings_ CASTOOL_GUARDED_BY(listings_mutex_);
};

}  // namespace castool::fusefs
