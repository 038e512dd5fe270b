// Names for session_ops.cc: looked up in the tree, or waited for while their model is brought.
#pragma once

#include <cstdint>

#include "fusefs/entry.h"
#include "fusefs/model_fs.h"

struct fuse_entry_param;
struct fuse_req;

namespace castool::fusefs {

// An entry as the kernel is told of it.
[[nodiscard]] fuse_entry_param entry_param(const ModelFs& fs, const Entry& entry);

void on_lookup(fuse_req* req, std::uint64_t parent, const char* name) noexcept;

}  // namespace castool::fusefs
