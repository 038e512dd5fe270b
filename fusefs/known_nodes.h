// The nodes that the kernel has looked up and not forgotten, and what is to be remembered of the
// pages that it may keep of them:
//
//   clean      nothing, or bytes that were verified
//   unsure     bytes of a blob that nobody has verified yet: whoever gave them out is told when
//              they turn out wrong, and once he is gone they have to be dropped before the node is
//              opened anew
//   poisoned   a wrong byte was among them: the node answers nothing but errors from now on, and
//              look-ups give another one
//
// The kernel's FORGET ends all of it: no pages are left then. Safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "fusefs/node_id.h"
#include "fusefs/tree.h"

namespace castool::fusefs {

class KnownNodes {
 public:
  // Counts one look-up. False, and nothing counted, when the id stands for another content.
  [[nodiscard]] bool remember(NodeId id, const NodePtr& node);
  void forget(NodeId id, std::uint64_t count);
  [[nodiscard]] NodePtr find(NodeId id) const;  // or null
  [[nodiscard]] std::size_t size() const;

  // Names one who gives bytes of a node out; 0: nobody.
  using Giver = std::uint64_t;
  void mark_unsure(NodeId id, Giver giver);
  // What `giver` gave out is verified; nothing, when another one gave out since.
  void mark_verified(NodeId id, Giver giver);
  void mark_poisoned(NodeId id);
  void mark_dropped(NodeId id);  // its pages were dropped
  [[nodiscard]] bool unsure(NodeId id) const;
  [[nodiscard]] bool poisoned(NodeId id) const;

  // All of it, for the process that takes the mount over, and there.
  struct Entry {
    NodeId id = 0;
    NodePtr node;
    std::uint64_t count = 0;
    bool unsure = false;
    bool poisoned = false;
  };
  [[nodiscard]] std::vector<Entry> all() const;
  void adopt(const Entry& entry);

  // As which node a file is shown that is read through the daemon: the first variant that is not
  // poisoned, 0 being kept for bytes of the store. The last one when all are.
  enum class Bytes { kStored, kFilling };
  [[nodiscard]] NodeId node_for(Ino ino, Bytes bytes) const;

 private:
  struct Known {
    NodePtr node;
    std::uint64_t count = 0;
    Giver giver = 0;
    bool poisoned = false;
  };
  mutable base::Mutex mutex_;
  std::unordered_map<NodeId, Known> nodes_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs
