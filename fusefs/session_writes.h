// What would change something, for session_ops.cc: taken where a graph.pbtxt is written anew,
// refused everywhere else.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

struct fuse_req;
struct fuse_file_info;

namespace castool::fusefs {

void on_create(fuse_req* req, std::uint64_t parent, const char* name, mode_t mode,
               fuse_file_info* info) noexcept;
void on_write(fuse_req* req, std::uint64_t id, const char* bytes, std::size_t size, off_t offset,
              fuse_file_info* info) noexcept;
void on_flush(fuse_req* req, std::uint64_t id, fuse_file_info* info) noexcept;
void on_fsync(fuse_req* req, std::uint64_t id, int data_only, fuse_file_info* info) noexcept;

}  // namespace castool::fusefs
