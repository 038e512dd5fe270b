#include "cas/chunk_table.h"

#include <algorithm>
#include <cstring>

#include "cas/checksum.h"
#include "cas/little_endian.h"
#include "cas/partial.h"

namespace castool::cas {
namespace {

constexpr std::array<char, 8> kMagic = {'C', 'A', 'S', 'T', 'A', 'B', 'L', 'E'};
constexpr std::uint32_t kTableVersion = 1;
constexpr std::size_t kDigestAt = 24;
constexpr std::size_t kOriginAt = 60;
constexpr std::size_t kHeaderCheckAt = kHeaderSize - 8;
constexpr std::uint32_t kMaxDrops = 0xffffff;

std::uint32_t record_check(std::uint64_t chunk, std::span<const std::byte> record) {
  return static_cast<std::uint32_t>(xxh3(record.first(12), chunk));
}

}  // namespace

ChunkRecord dropped(const ChunkRecord& record) {
  return {0, std::min(record.drops + 1, kMaxDrops), ChunkState::kAbsent};
}

std::array<std::byte, kHeaderSize> encode_header(const TableHeader& header) {
  std::array<std::byte, kHeaderSize> bytes{};
  const std::size_t origin_size = std::min(header.origin.size(), kMaxOrigin);
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  put_le<std::uint32_t>(bytes, 8, kTableVersion);
  put_le<std::uint32_t>(bytes, 12, static_cast<std::uint32_t>(kChunkSize));
  put_le<std::uint64_t>(bytes, 16, header.size);
  std::memcpy(bytes.data() + kDigestAt, header.digest.bytes().data(), base::Digest::kSize);
  put_le<std::uint32_t>(bytes, 56, static_cast<std::uint32_t>(origin_size));
  std::memcpy(bytes.data() + kOriginAt, header.origin.data(), origin_size);
  put_le<std::uint64_t>(bytes, kHeaderCheckAt, xxh3(std::span(bytes).first(kHeaderCheckAt)));
  return bytes;
}

std::optional<TableHeader> decode_header(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderSize) return std::nullopt;
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) return std::nullopt;
  if (get_le<std::uint64_t>(bytes, kHeaderCheckAt) != xxh3(bytes.first(kHeaderCheckAt))) {
    return std::nullopt;
  }
  if (get_le<std::uint32_t>(bytes, 8) != kTableVersion) return std::nullopt;
  if (get_le<std::uint32_t>(bytes, 12) != kChunkSize) return std::nullopt;
  const auto origin_size = get_le<std::uint32_t>(bytes, 56);
  if (origin_size > kMaxOrigin) return std::nullopt;
  TableHeader header;
  header.size = get_le<std::uint64_t>(bytes, 16);
  base::Digest::Bytes digest;
  std::memcpy(digest.data(), bytes.data() + kDigestAt, digest.size());
  header.digest = base::Digest(digest);
  header.origin.resize(origin_size);
  std::memcpy(header.origin.data(), bytes.data() + kOriginAt, origin_size);
  return header;
}

std::array<std::byte, kEpochSize> encode_epoch(const Epoch& epoch) {
  std::array<std::byte, kEpochSize> bytes{};
  std::ranges::copy(epoch.boot, bytes.begin());
  put_le<std::uint32_t>(bytes, 16, static_cast<std::uint32_t>(epoch.state));
  put_le<std::uint64_t>(bytes, 24, xxh3(std::span(bytes).first(24)));
  return bytes;
}

std::optional<Epoch> decode_epoch(std::span<const std::byte> bytes) {
  if (bytes.size() < kEpochSize) return std::nullopt;
  if (get_le<std::uint64_t>(bytes, 24) != xxh3(bytes.first(24))) return std::nullopt;
  const auto state = get_le<std::uint32_t>(bytes, 16);
  if (state < 1 || state > 2) return std::nullopt;
  Epoch epoch;
  std::ranges::copy(bytes.first(epoch.boot.size()), epoch.boot.begin());
  epoch.state = static_cast<EpochState>(state);
  return epoch;
}

bool may_have_lost_bytes(const std::optional<Epoch>& epoch, const BootId& now) {
  if (!epoch) return true;
  if (epoch->state == EpochState::kClean) return false;
  return epoch->boot == BootId{} || epoch->boot != now;
}

std::array<std::byte, kRecordSize> encode_record(std::uint64_t chunk, const ChunkRecord& record) {
  std::array<std::byte, kRecordSize> bytes{};
  put_le<std::uint64_t>(bytes, 0, record.xxh3);
  put_le<std::uint32_t>(bytes, 8, static_cast<std::uint32_t>(record.state) | record.drops << 8);
  put_le<std::uint32_t>(bytes, 12, record_check(chunk, bytes));
  return bytes;
}

ChunkRecord decode_record(std::uint64_t chunk, std::span<const std::byte> bytes) {
  if (bytes.size() < kRecordSize) return {};
  if (get_le<std::uint32_t>(bytes, 12) != record_check(chunk, bytes)) return {};
  const auto word = get_le<std::uint32_t>(bytes, 8);
  const auto state = word & 0xff;
  if (state > 1) return {};
  return {get_le<std::uint64_t>(bytes, 0), word >> 8, static_cast<ChunkState>(state)};
}

std::uint64_t chunk_count(std::uint64_t size) {
  return size / kChunkSize + (size % kChunkSize != 0 ? 1 : 0);
}

std::uint64_t chunk_length(std::uint64_t size, std::uint64_t chunk) {
  return std::min(kChunkSize, size - chunk * kChunkSize);
}

}  // namespace castool::cas
