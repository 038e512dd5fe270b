// What a file of the test hub consists of: bytes that can be read at any offset from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/digest.h"
#include "base/unique_fd.h"

namespace castool::hub {

class Content {
 public:
  Content() = default;
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  virtual ~Content() = default;

  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // Fills `out` from `offset`; offset + out.size() is at most size(). False if the bytes cannot be
  // read; the connection is then cut.
  [[nodiscard]] virtual bool read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

class MemoryContent final : public Content {
 public:
  explicit MemoryContent(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] bool read_at(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  std::string bytes_;
};

// A file as it was when it was opened: replacing it by rename leaves older commits intact.
class FileContent final : public Content {
 public:
  // Throws std::system_error.
  explicit FileContent(const std::filesystem::path& path);
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  [[nodiscard]] bool read_at(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  base::UniqueFd fd_;
  std::uint64_t size_ = 0;
};

// Any number of bytes without a disk. The bytes are a pure function of seed and offset:
//   word i (8 bytes, little endian) = splitmix64's output function of seed + (i + 1) * kStep.
class SyntheticContent final : public Content {
 public:
  SyntheticContent(std::uint64_t size, std::uint64_t seed) : size_(size), seed_(seed) {}
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  [[nodiscard]] bool read_at(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  [[nodiscard]] std::uint64_t word(std::uint64_t index) const;

  std::uint64_t size_;
  std::uint64_t seed_;
};

[[nodiscard]] base::Digest sha256_of(const Content& content);
[[nodiscard]] base::GitOid git_oid_of(const Content& content);
// All bytes; for small contents.
[[nodiscard]] std::string bytes_of(const Content& content);

}  // namespace castool::hub
