// What a LOOKUP gives.
#pragma once

#include "fusefs/node_id.h"
#include "fusefs/tree.h"

namespace castool::fusefs {

// A null node is a name that is not there, which may be cached too.
struct Entry {
  NodePtr node;
  NodeId id = 0;
  double entry_seconds = 0;
  double attr_seconds = 0;
};

}  // namespace castool::fusefs
