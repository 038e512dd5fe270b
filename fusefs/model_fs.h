// The file system as the kernel sees it, without libfuse: every operation is a call that returns a
// value or an errno. session.cc only translates.
//
// Invariants
//   1. A node that was looked up stays valid until it was forgotten as often, whatever tree is
//   shown;
//      an open file keeps its bytes until it is released.
//   2. One node id has one content for the life of the mount, and is open either through the page
//      cache or natively (native_files.h), not both at once. A file that becomes fit for the
//      latter, or that arrives, gets another id at its next look-up; who has it open goes on with
//      the old one.
//   3. What may change (a directory above the models, a name in one, a file's id) is cached by the
//   kernel for
//      kVolatileSeconds at most; everything else never changes and is cached long. So the mount
//      never makes names invalid, and cannot get into the deadlocks that this brings.
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

#include "base/log.h"
#include "base/mutex.h"
#include "fusefs/answer.h"
#include "fusefs/entry.h"
#include "fusefs/graph_files.h"
#include "fusefs/handover_state.h"
#include "fusefs/known_nodes.h"
#include "fusefs/open_files.h"
#include "fusefs/tree.h"
#include "fusefs/upper.h"
#include "fusefs/views/on_demand_patterns.h"
#include "fusefs/writer_nodes.h"

namespace castool::fusefs {

inline constexpr double kVolatileSeconds = 0.2;
inline constexpr double kFixedSeconds = 3600;

// What --on-demand speaks of, in which layout.
struct OnDemand {
  OnDemandPatterns patterns;
  Layout layout = Layout::kOvms;
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

  // Without `upper` what is written lasts as long as this.
  ModelFs(TreePtr tree, const FileParts& parts, Owner owner, base::Log& log,
          OnDemand on_demand = {}, std::unique_ptr<Upper> upper = nullptr);

  // Shows another tree from now on.
  void replace(TreePtr tree);
  [[nodiscard]] TreePtr tree() const;

  // Counts one look-up on success with a node. ENOENT is an Entry without a node; then the name may
  // be one of a model that could be brought here. `task` is who asks, 0 nobody known.
  Answer<Entry> lookup(NodeId parent, std::string_view name, pid_t task = 0);
  [[nodiscard]] std::optional<manifest::Source> on_demand(NodeId parent,
                                                          std::string_view name) const;
  void forget(NodeId id, std::uint64_t count);
  Answer<Entry> getattr(NodeId id);
  [[nodiscard]] struct stat stat_of(const Node& node) const;

  struct Opening {
    int flags = 0;
    pid_t task = 0;
  };
  // Of a file that is not rewritable(). EROFS for every mode but reading, and but O_RDWR where the
  // node's access allows it (writer_nodes.h); else OpenFiles::open().
  void open(NodeId id, const Opening& opening, const OpenFiles::OpenDone& done);
  void release(NodeId id) { files_.release(id); }
  // Somebody tried to write to a file that open() opened. The errno to say; then what to do about
  // it once that was said.
  [[nodiscard]] Errno refuse_write(NodeId id) const;
  void purge_written(NodeId id);
  // Reading what is open.
  [[nodiscard]] OpenFiles& files() { return files_; }

  // EINVAL for what is no symbolic link.
  Answer<std::string> readlink(NodeId id) const;

  // The handle of a graph.pbtxt, or nothing for any other file. EROFS for every mode but reading
  // and writing anew.
  Answer<std::optional<GraphFiles::Handle>> open_graph(NodeId id, int flags);
  struct Created {
    Entry entry;  // counted as looked up
    GraphFiles::Handle handle = 0;
  };
  // EROFS for everything but the graph.pbtxt of a model.
  Answer<Created> create(NodeId parent, std::string_view name, int flags);
  [[nodiscard]] GraphFiles& graphs() { return graphs_; }

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

  // What another process has to know to go on in this one's place, while nothing is asked of this
  // one; and there, before anything is. The connection is not this one's business.
  [[nodiscard]] HandoverState hand_over() const;
  void take_over(HandoverState state);

  // For tests: how many nodes and files the kernel holds.
  [[nodiscard]] std::size_t known_nodes() const;
  [[nodiscard]] std::size_t open_files() const;

 private:
  Answer<NodePtr> resolve(NodeId id) const;
  Answer<NodePtr> resolve_directory(NodeId id) const;
  [[nodiscard]] OnDemandMatch match(NodeId directory, std::string_view name) const;
  [[nodiscard]] NodePtr on_demand_parent(const Node& directory, std::string_view name) const;
  [[nodiscard]] std::optional<std::string> path_of(NodeId directory) const;
  [[nodiscard]] bool may_be_native(const Node& node) const;
  [[nodiscard]] NodeId node_of(const Node& file) const;
  Answer<BlobStatus> status_of(const Node& file);
  [[nodiscard]] base::Digest digest_now(const Node& file) const;

  const FileParts parts_;
  const Owner owner_;
  base::Log& log_;
  const OnDemand on_demand_;

  mutable base::Mutex tree_mutex_;
  TreePtr tree_ CASTOOL_GUARDED_BY(tree_mutex_);
  KnownNodes nodes_;
  OpenFiles files_;
  const std::unique_ptr<Upper> upper_;
  GraphFiles graphs_;
  WriterNodes writers_;
  mutable base::Mutex listings_mutex_;
  std::uint64_t next_handle_ CASTOOL_GUARDED_BY(listings_mutex_) = 1;
  std::unordered_map<std::uint64_t, NodePtr> listings_ CASTOOL_GUARDED_BY(listings_mutex_);
};

}  // namespace castool::fusefs
