#include "fusefs/model_fs.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "cas/partial.h"
#include "fusefs/blob_filler.h"

namespace castool::fusefs {
namespace {

constexpr std::string_view kSha256 = "user.castool.sha256";
constexpr std::string_view kState = "user.castool.state";
constexpr std::string_view kPresent = "user.castool.present";
constexpr std::string_view kSource = "user.castool.source";
constexpr std::string_view kRevision = "user.castool.revision";

std::string_view word(BlobState state) {
  switch (state) {
    case BlobState::kAbsent: return "absent";
    case BlobState::kPartial: return "partial";
    case BlobState::kVerified: return "verified";
    case BlobState::kDamaged: return "damaged";
  }
  return "";
}

double cache_seconds(Lifetime lifetime) {
  return lifetime == Lifetime::kFixed ? kFixedSeconds : kVolatileSeconds;
}

// The text of a graph may be written over at any moment.
double seconds_of_attributes(const Node& node) {
  return node.rewritable() ? 0 : cache_seconds(node.lifetime());
}

}  // namespace

ModelFs::ModelFs(TreePtr tree, const FileParts& parts, Owner owner, base::Log& log,
                 OnDemand on_demand, std::unique_ptr<Upper> upper)
    : parts_(parts),
      owner_(owner),
      log_(log),
      on_demand_(std::move(on_demand)),
      tree_(std::move(tree)),
      files_(parts, nodes_, log),
      upper_(upper ? std::move(upper) : std::make_unique<Upper>()),
      graphs_(*upper_, log) {}

void ModelFs::replace(TreePtr tree) {
  // The old tree is dropped after the lock: it may be the last owner of many nodes.
  const base::MutexLock lock(tree_mutex_);
  tree_.swap(tree);
}

TreePtr ModelFs::tree() const {
  const base::MutexLock lock(tree_mutex_);
  return tree_;
}

Answer<NodePtr> ModelFs::resolve(NodeId id) const {
  if (NodePtr current = tree()->following(id)) return current;
  if (NodePtr node = nodes_.find(id)) return node;
  return Errno{ESTALE};
}

// Of a directory above the models, relative to the mount.
std::optional<std::string> ModelFs::path_of(NodeId directory) const {
  std::string path;
  while (directory != kRootIno) {
    const auto node = resolve(directory);
    if (!node || !(*node)->is_directory() || (*node)->lifetime() != Lifetime::kFollowsRefs)
      return std::nullopt;
    path = path.empty() ? (*node)->name() : (*node)->name() + "/" + path;
    directory = (*node)->parent();
  }
  return path;
}

OnDemandMatch ModelFs::match(NodeId directory, std::string_view name) const {
  if (on_demand_.patterns.empty()) return std::monostate();
  const auto above = path_of(directory);
  if (!above) return std::monostate();
  const std::string path = above->empty() ? std::string(name) : *above + "/" + std::string(name);
  return on_demand_.patterns.match(path, on_demand_.layout);
}

std::optional<manifest::Source> ModelFs::on_demand(NodeId parent, std::string_view name) const {
  auto found = match(parent, name);
  if (auto* source = std::get_if<manifest::Source>(&found)) return std::move(*source);
  return std::nullopt;
}

// A directory above models that are not here, or null. Its id is the one that it will have when
// they are.
NodePtr ModelFs::on_demand_parent(const Node& directory, std::string_view name) const {
  if (!std::holds_alternative<OnDemandParent>(match(directory.ino(), name))) return nullptr;
  const std::string above = path_of(directory.ino()).value_or("");
  const std::string path = above.empty() ? std::string(name) : above + "/" + std::string(name);
  const Ino ino = InoMaker(word(on_demand_.layout)).make(path, "dir");
  return Node::directory({ino, directory.ino(), std::string(name), directory.mtime()},
                         Lifetime::kFollowsRefs, {});
}

// A directory that has gone from the refs is empty: nothing is found in it any more.
Answer<NodePtr> ModelFs::resolve_directory(NodeId id) const {
  if (NodePtr current = tree()->following(id)) return current;
  const NodePtr node = nodes_.find(id);
  if (!node) return Errno{ESTALE};
  if (!node->is_directory()) return Errno{ENOTDIR};
  if (node->lifetime() == Lifetime::kFollowsRefs &&
      !std::holds_alternative<OnDemandParent>(match(node->parent(), node->name())))
    return Errno{ENOENT};
  return node;
}

// Large blobs only: for a small one the two system calls of a registration cost more than they
// save.
bool ModelFs::may_be_native(const Node& node) const {
  return parts_.native != nullptr && parts_.native->available() && !node.is_directory() &&
         std::holds_alternative<BlobContent>(node.content()) && node.size() > cas::kChunkSize;
}

// What a file is now: its store is looked at, since whatever was so at the last look-up may have
// changed. Small blobs are all but never missing, and are not asked for.
NodeId ModelFs::node_of(const Node& file) const {
  const auto* blob = std::get_if<BlobContent>(&file.content());
  if (may_be_native(file) && parts_.blobs.needs_no_look(*blob)) return file.ino() | kNativeBit;
  auto bytes = KnownNodes::Bytes::kStored;
  if (files_.can_fill(file) && file.size() > cas::kChunkSize) {
    const auto stored = parts_.blobs.status(*blob);
    if (stored && stored->state != BlobState::kVerified) bytes = KnownNodes::Bytes::kFilling;
  }
  return nodes_.node_for(file.ino(), bytes);
}

Entry ModelFs::entry_of(const Node& directory, NodePtr child) const {
  Entry entry;
  entry.entry_seconds = cache_seconds(directory.lifetime());
  if (!child || (child->rewritable() && !graphs_.now(*child))) return entry;
  entry.attr_seconds = seconds_of_attributes(*child);
  entry.id = child->is_directory() ? child->ino() : node_of(*child);
  // A file gets its next id as soon as it is fit for it.
  const bool may_change = variant_of(entry.id) != 0 || may_be_native(*child);
  if (may_change && !is_native(entry.id)) entry.entry_seconds = kVolatileSeconds;
  entry.node = std::move(child);
  return entry;
}

Answer<Entry> ModelFs::lookup(NodeId parent, std::string_view name, pid_t task) {
  if (name.size() > kMaxNameBytes) return Errno{ENAMETOOLONG};
  const auto directory = resolve_directory(parent);
  if (!directory) return directory.error();
  auto child = (*directory)->child(name);
  if (!child) return log_unreadable(log_, **directory, child.error());
  if (!*child) child = on_demand_parent(**directory, name);
  Entry entry = entry_of(**directory, *std::move(child));
  if (entry.node) {
    if (const NodeId own = writers_.wanted(task, entry.node->ino()); own != 0) {
      entry.id = own;
      entry.entry_seconds = 0;
    }
    if (const auto counted = remember(entry); !counted) return counted.error();
  }
  return entry;
}

Answer<NodeId> ModelFs::remember(const Entry& entry) {
  if (entry.id == kRootIno || nodes_.remember(entry.id, entry.node)) return entry.id;
  log_.error("two different files have node id {}: '{}' is not shown", entry.id,
             entry.node->name());
  return Errno{EIO};
}

void ModelFs::forget(NodeId id, std::uint64_t count) { nodes_.forget(id, count); }

Answer<Entry> ModelFs::getattr(NodeId id) {
  auto node = resolve(id);
  if (!node) return node.error();
  const double seconds = seconds_of_attributes(**node);
  return Entry{*std::move(node), id, 0, seconds};
}

struct stat ModelFs::stat_of(const Node& node) const {
  struct stat attr {};
  attr.st_ino = node.ino();
  attr.st_uid = owner_.uid;
  attr.st_gid = owner_.gid;
  attr.st_blksize = 4096;
  attr.st_mtim.tv_sec = attr.st_ctim.tv_sec = attr.st_atim.tv_sec = node.mtime();
  // One link is what file systems say that do not count subdirectories: no reader then skips one.
  attr.st_nlink = 1;
  if (node.is_directory()) {
    attr.st_mode = S_IFDIR | 0755;
    return attr;
  }
  if (const std::string* target = node.link()) {
    attr.st_mode = S_IFLNK | 0777;
    attr.st_size = static_cast<off_t>(target->size());
    return attr;
  }
  const bool may_be_written = node.rewritable() || node.access() != Access::kRead;
  attr.st_mode = S_IFREG | (may_be_written ? 0644 : 0444);
  std::uint64_t size = node.size();
  if (node.rewritable()) {
    const auto text = graphs_.now(node);
    size = text ? text->text->size() : 0;
    if (text) attr.st_mtim.tv_sec = attr.st_ctim.tv_sec = text->mtime;
  }
  attr.st_size = static_cast<off_t>(size);
  // From the size, not from the disk: what is stored already is nobody's business but the xattrs'.
  attr.st_blocks = static_cast<blkcnt_t>((size + 511) / 512);
  return attr;
}

Answer<ModelFs::OpenedDirectory> ModelFs::opendir(NodeId id) {
  auto node = resolve(id);
  if (!node) return node.error();
  if (!(*node)->is_directory()) return Errno{ENOTDIR};
  const Lifetime lifetime = (*node)->lifetime();
  const base::MutexLock lock(listings_mutex_);
  const std::uint64_t handle = next_handle_++;
  listings_.emplace(handle, *std::move(node));
  return OpenedDirectory{handle, lifetime};
}

Answer<Listing> ModelFs::list(std::uint64_t handle, NodeId id, std::uint64_t offset) {
  NodePtr directory;
  if (offset == 0) {
    auto now = resolve_directory(id);
    if (!now) return now.error();
    directory = *std::move(now);
  }
  {
    const base::MutexLock lock(listings_mutex_);
    const auto found = listings_.find(handle);
    if (found == listings_.end()) return Errno{EBADF};
    if (directory)
      found->second = directory;
    else
      directory = found->second;
  }
  const auto children = directory->children();
  if (!children) return log_unreadable(log_, *directory, children.error());
  return Listing{std::move(directory), *children};
}

void ModelFs::releasedir(std::uint64_t handle) {
  const base::MutexLock lock(listings_mutex_);
  listings_.erase(handle);
}

Answer<std::vector<std::string>> ModelFs::listxattr(NodeId id) {
  const auto node = resolve(id);
  if (!node) return node.error();
  if (!(*node)->is_directory())
    return std::vector<std::string>{std::string(kSha256), std::string(kState),
                                    std::string(kPresent)};
  if ((*node)->model() != nullptr)
    return std::vector<std::string>{std::string(kSource), std::string(kRevision)};
  return std::vector<std::string>{};
}

Answer<std::string> ModelFs::getxattr(NodeId id, std::string_view name) {
  const auto node = resolve(id);
  if (!node) return node.error();
  if (const ModelInfo* model = (*node)->model()) {
    if (name == kSource) return model->home->source;
    if (name == kRevision) return model->home->revision;
  }
  if ((*node)->is_directory()) return Errno{ENODATA};
  if (name == kSha256) return digest_now(**node).hex();
  if (name != kState && name != kPresent) return Errno{ENODATA};
  const auto status = status_of(**node);
  if (!status) return status.error();
  return name == kState ? std::string(word(status->state)) : std::to_string(status->present);
}

Answer<BlobStatus> ModelFs::status_of(const Node& file) {
  const auto* blob = std::get_if<BlobContent>(&file.content());
  if (blob == nullptr)
    return BlobStatus{BlobState::kVerified, static_cast<std::uint64_t>(stat_of(file).st_size)};
  const auto stored = parts_.blobs.status(*blob);
  if (!stored) return log_unreadable(log_, file, stored.error());
  if (stored->state == BlobState::kAbsent && files_.can_fill(file))
    return files_.filling_status(file);
  return *stored;
}

Answer<struct statvfs> ModelFs::statfs() {
  auto space = parts_.blobs.space();
  if (!space) return Errno{EIO};
  return *space;
}

std::size_t ModelFs::known_nodes() const { return nodes_.size(); }

std::size_t ModelFs::open_files() const { return files_.size(); }

}  // namespace castool::fusefs
