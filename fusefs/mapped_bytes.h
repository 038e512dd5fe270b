// A file's bytes in memory, without being memory of ours: pages of the page cache.
#pragma once

#include <cstddef>
#include <cstdint>

namespace castool::fusefs {

// Shared and read-only. Empty where the file system cannot map, or the file is empty: then its
// bytes are read with pread. A sparse file that is being filled can be mapped whole.
class MappedBytes {
 public:
  MappedBytes() = default;
  MappedBytes(int fd, std::uint64_t size);
  ~MappedBytes();
  MappedBytes(const MappedBytes&) = delete;
  MappedBytes& operator=(const MappedBytes&) = delete;
  MappedBytes(MappedBytes&& other) noexcept;
  MappedBytes& operator=(MappedBytes&& other) noexcept;

  [[nodiscard]] const std::byte* data() const { return static_cast<const std::byte*>(at_); }

 private:
  void* at_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace castool::fusefs
