// Nodes for those who open a file to read and write it, though nothing can be written to it.
//
// OVMS maps a GGUF shared and writable and never writes. Whatever is written to such a mapping
// is in pages of the node until the kernel hands them over, and all who have the node open see it
// meanwhile. So each such open has a node of its own, which nobody else can get:
//   1. an open for reading and writing under a name's usual node is answered with ESTALE, and the
//      task is remembered with a fresh node;
//   2. the kernel looks the name up once more for the same task, and gets that node, to be used
//      once and not to be kept for the name;
//   3. the open of that node takes it; nobody else can open it.
//
// Safe from any thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <utility>

#include "base/mutex.h"
#include "fusefs/node_id.h"
#include "fusefs/page_dropper.h"

namespace castool::fusefs {

class WriterNodes {
 public:
  WriterNodes();

  // `task` is as the kernel names it in its requests.
  void want(pid_t task, Ino ino);
  // The node that `task` gets for `ino`, or 0.
  [[nodiscard]] NodeId wanted(pid_t task, Ino ino) const;
  // True for the first open of a node that was wanted.
  [[nodiscard]] bool take(NodeId id);

  // Has the pages of a node dropped because somebody wrote to them, once for any number of writes
  // that come before it is done.
  void purge(PageDropper& pages, NodeId id);

 private:
  struct Wish {
    NodeId id = 0;
    std::chrono::steady_clock::time_point until;
  };
  void drop(PageDropper& pages, NodeId id);

  mutable base::Mutex mutex_;
  // Begins where no daemon before this one of the same mount can have come to.
  NodeId last_ CASTOOL_GUARDED_BY(mutex_);
  std::map<std::pair<pid_t, Ino>, Wish> wishes_ CASTOOL_GUARDED_BY(mutex_);
  std::map<NodeId, bool> purging_ CASTOOL_GUARDED_BY(mutex_);  // true: written to since it was sent
};

}  // namespace castool::fusefs
