// Reads, as libfuse gives them: answered at once, or when their bytes have arrived.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

struct fuse_req;
struct fuse_file_info;

namespace castool::fusefs {

void on_read(fuse_req* req, std::uint64_t id, std::size_t size, off_t offset,
             fuse_file_info* info) noexcept;

// Whether the kernel can have sent this read ahead of any reader, who then asks again for what he
// needs when it fails. It reads ahead by pages through the page cache, and asks again for one page.
[[nodiscard]] bool may_be_read_ahead(std::size_t size, int flags);

}  // namespace castool::fusefs
