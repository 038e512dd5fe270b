#include "tests/support/hub/content.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "base/hasher.h"

namespace castool::hub {
namespace {

constexpr std::size_t kHashBuffer = 1 << 18;

// Calls `sink` with the content's bytes in order; throws std::runtime_error if they cannot be read.
template <class Sink>
void for_each_piece(const Content& content, Sink sink) {
  std::vector<std::byte> buffer(kHashBuffer);
  for (std::uint64_t offset = 0; offset < content.size();) {
    const std::size_t length =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), content.size() - offset));
    const std::span<std::byte> piece(buffer.data(), length);
    if (!content.read_at(offset, piece))
      throw std::runtime_error("a served file became unreadable");
    sink(std::span<const std::byte>(piece));
    offset += length;
  }
}

}  // namespace

bool MemoryContent::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  if (out.empty()) return true;
  std::memcpy(out.data(), bytes_.data() + offset, out.size());
  return true;
}

FileContent::FileContent(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat facts {};
  if (!fd_ || ::fstat(fd_.get(), &facts) != 0) {
    throw std::system_error(errno, std::generic_category(), path.string());
  }
  size_ = static_cast<std::uint64_t>(facts.st_size);
}

bool FileContent::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

std::uint64_t SyntheticContent::word(std::uint64_t index) const {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = seed_ + (index + 1) * kStep;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

bool SyntheticContent::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  const auto copy_part = [&](std::size_t skip, std::size_t length) {
    const std::uint64_t value = word(offset / kWord);
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(&value) + skip, length);
    out = out.subspan(length);
    offset += length;
  };
  if (const std::size_t skip = static_cast<std::size_t>(offset % kWord);
      skip != 0 && !out.empty()) {
    copy_part(skip, std::min(kWord - skip, out.size()));
  }
  const std::uint64_t first = offset / kWord;
  const std::size_t words = out.size() / kWord;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t value = word(first + i);
    std::memcpy(out.data() + i * kWord, &value, kWord);
  }
  offset += words * kWord;
  out = out.subspan(words * kWord);
  if (!out.empty()) copy_part(0, out.size());
  return true;
}

base::Digest sha256_of(const Content& content) {
  base::Sha256 hasher;
  for_each_piece(content, [&](std::span<const std::byte> piece) { hasher.update(piece); });
  return hasher.finish();
}

base::GitOid git_oid_of(const Content& content) {
  base::GitBlobHasher hasher(content.size());
  for_each_piece(content, [&](std::span<const std::byte> piece) { hasher.update(piece); });
  return hasher.finish();
}

std::string bytes_of(const Content& content) {
  std::string bytes(content.size(), '\0');
  if (!content.read_at(0, std::as_writable_bytes(std::span(bytes)))) {
    throw std::runtime_error("a served file became unreadable");
  }
  return bytes;
}

}  // namespace castool::hub
