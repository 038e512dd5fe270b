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

bool same_content(const Node& a, const Node& b) {
  if (a.is_directory() != b.is_directory()) return false;
  return a.is_directory() ||
         (a.size() == b.size() && digest_of(a.content()) == digest_of(b.content()));
}

}  // namespace

ModelFs::ModelFs(TreePtr tree, BlobOpener& blobs, NativeFiles* native, Owner owner, base::Log& log)
    : blobs_(blobs), native_(native), owner_(owner), log_(log), tree_(std::move(tree)) {}

void ModelFs::replace(TreePtr tree) {
  // The old tree is dropped after the lock: it may be the last owner of many nodes.
  const base::MutexLock lock(tree_mutex_);
  tree_.swap(tree);
}

TreePtr ModelFs::tree() const {
  const base::MutexLock lock(tree_mutex_);
  return tree_;
}

NodePtr ModelFs::known(NodeId id) const {
  const base::MutexLock lock(nodes_mutex_);
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second.node;
}

Answer<NodePtr> ModelFs::resolve(NodeId id) const {
  if (NodePtr current = tree()->following(id)) return current;
  if (NodePtr node = known(id)) return node;
  return Errno{ESTALE};
}

// A directory that has gone from the refs is empty: nothing is found in it any more.
Answer<NodePtr> ModelFs::resolve_directory(NodeId id) const {
  if (NodePtr current = tree()->following(id)) return current;
  const NodePtr node = known(id);
  if (!node) return Errno{ESTALE};
  if (!node->is_directory()) return Errno{ENOTDIR};
  if (node->lifetime() == Lifetime::kFollowsRefs) return Errno{ENOENT};
  return node;
}

// Large blobs only: for a small one the two system calls of a registration cost more than they
// save.
bool ModelFs::may_be_native(const Node& node) const {
  return native_ != nullptr && native_->available() && !node.is_directory() &&
         std::holds_alternative<BlobContent>(node.content()) && node.size() > cas::kChunkSize;
}

bool ModelFs::is_native_now(const Node& node) const {
  return may_be_native(node) && blobs_.needs_no_look(digest_of(node.content()));
}

Entry ModelFs::entry_of(const Node& directory, NodePtr child) const {
  Entry entry;
  entry.entry_seconds = cache_seconds(directory.lifetime());
  if (!child) return entry;
  entry.attr_seconds = cache_seconds(child->lifetime());
  entry.id = child->ino();
  if (is_native_now(*child)) {
    entry.id |= kNativeBit;
  } else if (may_be_native(*child)) {
    // It gets its native id as soon as it is fit for it.
    entry.entry_seconds = kVolatileSeconds;
  }
  entry.node = std::move(child);
  return entry;
}

Answer<Entry> ModelFs::lookup(NodeId parent, std::string_view name) {
  if (name.size() > kMaxNameBytes) return Errno{ENAMETOOLONG};
  const auto directory = resolve_directory(parent);
  if (!directory) return directory.error();
  auto child = (*directory)->child(name);
  if (!child) return content_failure(**directory, child.error());
  Entry entry = entry_of(**directory, *std::move(child));
  if (entry.node) {
    if (const auto counted = remember(entry); !counted) return counted.error();
  }
  return entry;
}

Answer<NodeId> ModelFs::remember(const Entry& entry) {
  if (entry.id == kRootIno) return NodeId{kRootIno};
  bool clash = false;
  {
    const base::MutexLock lock(nodes_mutex_);
    Known& known = nodes_[entry.id];
    clash = known.node && !same_content(*known.node, *entry.node);
    if (!clash) {
      known.node = entry.node;
      ++known.count;
    }
  }
  if (!clash) return entry.id;
  log_.error("two different files have node id {}: '{}' is not shown", entry.id,
             entry.node->name());
  return Errno{EIO};
}

void ModelFs::forget(NodeId id, std::uint64_t count) {
  NodePtr last;  // dropped after the lock
  const base::MutexLock lock(nodes_mutex_);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  if (found->second.count > count) {
    found->second.count -= count;
    return;
  }
  last = std::move(found->second.node);
  nodes_.erase(found);
}

Answer<Entry> ModelFs::getattr(NodeId id) {
  auto node = resolve(id);
  if (!node) return node.error();
  const double seconds = cache_seconds((*node)->lifetime());
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
  attr.st_mode = S_IFREG | 0444;
  attr.st_size = static_cast<off_t>(node.size());
  // From the size, not from the disk: what is stored already is nobody's business but the xattrs'.
  attr.st_blocks = static_cast<blkcnt_t>((node.size() + 511) / 512);
  return attr;
}

Errno ModelFs::content_failure(const Node& node, const base::Error& error) {
  const std::string what =
      node.is_directory() ? std::string() : digest_of(node.content()).text() + ": ";
  log_.error("cannot read '{}': {}{}", node.name(), what, error.text());
  return Errno{EIO};
}

Answer<std::shared_ptr<const OpenFile>> ModelFs::open_content(const Node& node) {
  auto file = OpenFile::open(blobs_, node.content(), node.size());
  if (!file) return content_failure(node, file.error());
  return *std::move(file);
}

// The kernel's number for the blob, or nothing: then it is read through the daemon like any other.
std::optional<std::int32_t> ModelFs::make_native(const OpenFile& file) {
  auto id = native_->acquire(file.digest(), file.fd());
  if (id) return *id;
  log_.warn("{} is served by the daemon: {}", file.digest().text(), id.error().text());
  return std::nullopt;
}

Answer<ModelFs::OpenedFile> ModelFs::open(NodeId id, int flags) {
  const auto node = resolve(id);
  if (!node) return node.error();
  if ((*node)->is_directory()) return Errno{EISDIR};
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0) return Errno{EROFS};
  {
    const base::MutexLock lock(files_mutex_);
    if (const auto found = files_.find(id); found != files_.end()) {
      ++found->second.count;
      return OpenedFile{found->second.native};
    }
  }
  auto file = open_content(**node);
  if (!file) return file.error();
  Opened fresh;
  fresh.file = *std::move(file);
  if (is_native(id)) {
    if (!fresh.file->needs_no_look()) return Errno{ESTALE};
    fresh.native = make_native(*fresh.file);
  }
  return keep_open(id, std::move(fresh));
}

ModelFs::OpenedFile ModelFs::keep_open(NodeId id, Opened fresh) {
  Opened spare;  // closed and unmapped after the lock
  std::optional<std::int32_t> native;
  {
    const base::MutexLock lock(files_mutex_);
    Opened& opened = files_[id];
    // Another thread may have opened it in between; then both use that one.
    (opened.file ? spare : opened) = std::move(fresh);
    ++opened.count;
    native = opened.native;
  }
  if (spare.native) native_->release(spare.file->digest());
  return OpenedFile{native};
}

Answer<Slice> ModelFs::read(NodeId id, std::uint64_t offset, std::size_t size) {
  std::shared_ptr<const OpenFile> file;
  {
    const base::MutexLock lock(files_mutex_);
    if (const auto found = files_.find(id); found != files_.end()) file = found->second.file;
  }
  if (!file) return Errno{EBADF};
  if (const base::Status checked = file->check(offset, size); !checked) {
    if (checked.error().code == base::Code::kDigestMismatch)
      blobs_.found_damaged(file->digest(), checked.error());
    return Errno{EIO};
  }
  return OpenFile::slice(std::move(file), offset, size);
}

void ModelFs::release(NodeId id) {
  Opened last;  // closed and unmapped after the lock
  {
    const base::MutexLock lock(files_mutex_);
    const auto found = files_.find(id);
    if (found == files_.end() || --found->second.count > 0) return;
    last = std::move(found->second);
    files_.erase(found);
  }
  if (last.native) native_->release(last.file->digest());
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
  if (!children) return content_failure(*directory, children.error());
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
  const base::Digest& digest = digest_of((*node)->content());
  if (name == kSha256) return digest.hex();
  if (name != kState && name != kPresent) return Errno{ENODATA};
  BlobStatus status{BlobState::kVerified, (*node)->size()};
  if (std::holds_alternative<BlobContent>((*node)->content())) {
    const auto stored = blobs_.status(digest);
    if (!stored) return content_failure(**node, stored.error());
    status = *stored;
  }
  return name == kState ? std::string(word(status.state)) : std::to_string(status.present);
}

Answer<struct statvfs> ModelFs::statfs() {
  auto space = blobs_.space();
  if (!space) return Errno{EIO};
  return *space;
}

std::size_t ModelFs::known_nodes() const {
  const base::MutexLock lock(nodes_mutex_);
  return nodes_.size();
}

std::size_t ModelFs::open_files() const {
  const base::MutexLock lock(files_mutex_);
  return files_.size();
}

}  // namespace castool::fusefs
