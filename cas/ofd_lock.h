// Open-file-description locks (fcntl(2), Linux): they belong to the open file, not to the process
// or the thread, end with its last descriptor, and so also with a killed process. Two opens of one
// file exclude each other even inside one process; one open never conflicts with itself.
#pragma once

#include <cstdint>
#include <optional>

#include "base/byte_range.h"
#include "base/result.h"

namespace castool::cas {

enum class LockKind { kShared, kExclusive };

// Never waits; false: somebody else has a conflicting lock. A lock of ours in the range is changed.
[[nodiscard]] base::Result<bool> try_lock(int fd, const base::ByteRange& bytes, LockKind kind);
void unlock(int fd, const base::ByteRange& bytes);
// The bytes of some lock of somebody else in the way of an exclusive lock; nullopt: none.
[[nodiscard]] base::Result<std::optional<base::ByteRange>> find_conflict(
    int fd, const base::ByteRange& bytes);

}  // namespace castool::cas
