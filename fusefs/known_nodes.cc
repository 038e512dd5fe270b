#include "fusefs/known_nodes.h"

#include <limits>
#include <utility>

namespace castool::fusefs {
namespace {

// In place of one who was in another process.
constexpr KnownNodes::Giver kStranger = std::numeric_limits<KnownNodes::Giver>::max();

bool same_content(const Node& a, const Node& b) {
  if (a.is_directory() != b.is_directory()) return false;
  return a.is_directory() ||
         (a.size() == b.size() && digest_of(a.content()) == digest_of(b.content()));
}

}  // namespace

bool KnownNodes::remember(NodeId id, const NodePtr& node) {
  NodePtr previous;  // dropped after the lock
  const base::MutexLock lock(mutex_);
  Known& known = nodes_[id];
  if (known.node && !same_content(*known.node, *node)) return false;
  previous = std::exchange(known.node, node);
  ++known.count;
  return true;
}

void KnownNodes::forget(NodeId id, std::uint64_t count) {
  NodePtr last;  // dropped after the lock
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  if (found->second.count > count) {
    found->second.count -= count;
    return;
  }
  last = std::move(found->second.node);
  nodes_.erase(found);
}

NodePtr KnownNodes::find(NodeId id) const {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second.node;
}

std::size_t KnownNodes::size() const {
  const base::MutexLock lock(mutex_);
  return nodes_.size();
}

void KnownNodes::mark_unsure(NodeId id, Giver giver) {
  const base::MutexLock lock(mutex_);
  if (const auto found = nodes_.find(id); found != nodes_.end()) found->second.giver = giver;
}

void KnownNodes::mark_verified(NodeId id, Giver giver) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(id);
  if (found != nodes_.end() && found->second.giver == giver) found->second.giver = 0;
}

void KnownNodes::mark_poisoned(NodeId id) {
  const base::MutexLock lock(mutex_);
  if (const auto found = nodes_.find(id); found != nodes_.end()) found->second.poisoned = true;
}

void KnownNodes::mark_dropped(NodeId id) {
  const base::MutexLock lock(mutex_);
  if (const auto found = nodes_.find(id); found != nodes_.end()) found->second.giver = 0;
}

bool KnownNodes::unsure(NodeId id) const {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(id);
  return found != nodes_.end() && found->second.giver != 0;
}

bool KnownNodes::poisoned(NodeId id) const {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(id);
  return found != nodes_.end() && found->second.poisoned;
}

std::vector<KnownNodes::Entry> KnownNodes::all() const {
  std::vector<Entry> entries;
  const base::MutexLock lock(mutex_);
  entries.reserve(nodes_.size());
  for (const auto& [id, known] : nodes_)
    entries.push_back({id, known.node, known.count, known.giver != 0, known.poisoned});
  return entries;
}

void KnownNodes::adopt(const Entry& entry) {
  const base::MutexLock lock(mutex_);
  nodes_[entry.id] = {entry.node, entry.count, entry.unsure ? kStranger : 0, entry.poisoned};
}

NodeId KnownNodes::node_for(Ino ino, Bytes bytes) const {
  const base::MutexLock lock(mutex_);
  for (unsigned variant = bytes == Bytes::kStored ? 0 : 1; variant + 1 < kVariants; ++variant) {
    const auto found = nodes_.find(with_variant(ino, variant));
    if (found == nodes_.end() || !found->second.poisoned) return with_variant(ino, variant);
  }
  return with_variant(ino, kVariants - 1);
}

}  // namespace castool::fusefs
