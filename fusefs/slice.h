// A run of an open file's bytes, ready to be given out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/digest.h"

namespace castool::fusefs {

// `data` points at mapped memory or text; where it is null, `size` bytes are at `offset` of `fd`.
// Touching mapped memory of a failing disk raises SIGBUS: hand it to a system call, which gets
// EFAULT instead. Valid as long as `owner`.
struct Slice {
  std::shared_ptr<const void> owner;
  base::Digest digest;  // of the whole file, for the log
  const std::byte* data = nullptr;
  int fd = -1;
  std::uint64_t offset = 0;
  std::size_t size = 0;
};

}  // namespace castool::fusefs
