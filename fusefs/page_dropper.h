// Makes the kernel forget the pages that it keeps of a node.
#pragma once

#include <functional>

#include "base/result.h"
#include "fusefs/node_id.h"

namespace castool::fusefs {

class PageDropper {
 public:
  using Then = std::function<void(base::Status)>;

  virtual ~PageDropper() = default;
  // Returns at once; `then` is called exactly once, from another thread, with no lock held. The
  // kernel waits for reads of the node that are unanswered: they have to be answered without
  // waiting for `then`. Safe from any thread.
  virtual void drop_pages(NodeId id, Then then) = 0;
};

}  // namespace castool::fusefs
