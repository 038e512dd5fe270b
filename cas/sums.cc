#include "cas/sums.h"

#include <cstring>

#include "cas/checksum.h"
#include "cas/chunk_table.h"
#include "cas/layout.h"
#include "cas/little_endian.h"
#include "cas/partial.h"
#include "cas/read_file.h"

namespace castool::cas {
namespace {

constexpr std::array<char, 8> kMagic = {'C', 'A', 'S', 'T', 'S', 'U', 'M', 'S'};
constexpr std::uint32_t kSumsVersion = 1;
constexpr std::size_t kSumsAt = 56;

std::vector<std::byte> header_and_room(const base::Digest& digest, std::uint64_t size) {
  std::vector<std::byte> bytes(kSumsAt + 8 * chunk_count(size) + 8);
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  put_le<std::uint32_t>(bytes, 8, kSumsVersion);
  put_le<std::uint32_t>(bytes, 12, static_cast<std::uint32_t>(kChunkSize));
  put_le<std::uint64_t>(bytes, 16, size);
  std::memcpy(bytes.data() + 24, digest.bytes().data(), base::Digest::kSize);
  return bytes;
}

std::uint64_t check_of(std::span<const std::byte> sidecar) {
  return xxh3(sidecar.first(sidecar.size() - 8));
}

}  // namespace

base::Status write_sums(base::FileOps& files, int store_dir, const base::Digest& digest,
                        std::uint64_t size, const std::vector<std::uint64_t>& sums) {
  if (sums.size() <= 1) return base::ok();
  std::vector<std::byte> bytes = header_and_room(digest, size);
  for (std::size_t i = 0; i < sums.size(); ++i) put_le(bytes, kSumsAt + 8 * i, sums[i]);
  put_le(bytes, bytes.size() - 8, check_of(bytes));

  const std::string tmp = unique_tmp_path();
  CASTOOL_RETURN_IF_ERROR(files.make_dir(store_dir, sums_dir(digest), kDirectoryMode));
  CASTOOL_ASSIGN(const base::UniqueFd fd,
                 files.open(store_dir, tmp, O_WRONLY | O_CREAT | O_EXCL, kBlobMode));
  base::Status status = files.write_at(fd.get(), 0, bytes);
  if (status) {
    status = files.rename(store_dir, tmp, store_dir, sums_path(digest), base::IfExists::kReplace);
  }
  if (!status) (void)files.unlink(store_dir, tmp);
  return status;
}

std::optional<std::vector<std::uint64_t>> read_sums(int store_dir, const base::Digest& digest,
                                                    std::uint64_t size) {
  const std::vector<std::byte> expected = header_and_room(digest, size);
  const auto text = read_file_at(store_dir, sums_path(digest), expected.size());
  if (!text || !*text || (*text)->size() != expected.size()) return std::nullopt;
  const auto bytes = std::as_bytes(std::span(**text));
  if (std::memcmp(bytes.data(), expected.data(), kSumsAt) != 0) return std::nullopt;
  if (get_le<std::uint64_t>(bytes, bytes.size() - 8) != check_of(bytes)) return std::nullopt;
  std::vector<std::uint64_t> sums(chunk_count(size));
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sums[i] = get_le<std::uint64_t>(bytes, kSumsAt + 8 * i);
  }
  return sums;
}

base::Result<std::vector<std::uint64_t>> sums_of_stored(int store_dir, const base::Digest& digest,
                                                        std::uint64_t size, int fd) {
  if (auto known = read_sums(store_dir, digest, size)) return *std::move(known);
  std::vector<std::uint64_t> sums(chunk_count(size));
  std::vector<std::byte> buffer(kChunkSize);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    CASTOOL_ASSIGN(const std::size_t got, read_at(fd, i * kChunkSize, buffer));
    sums[i] = xxh3(std::span(buffer).first(got));
  }
  return sums;
}

}  // namespace castool::cas
