#include "pull/handed_out.h"

#include <algorithm>
#include <cstring>

namespace castool::pull {
namespace {

constexpr std::size_t kRecord = 1 + sizeof(std::uint64_t);

}  // namespace

void HandedOut::give(std::uint64_t first, std::span<const std::uint64_t> checksums) {
  given_.resize(std::max<std::size_t>(given_.size(), first + checksums.size()));
  for (std::size_t i = 0; i < checksums.size(); ++i) {
    Chunk& chunk = given_[first + i];
    const bool same = chunk.given == Given::kNothing || chunk.checksum == checksums[i];
    if (same && chunk.given != Given::kSeveral) chunk = {checksums[i], Given::kOne};
    if (!same) chunk.given = Given::kSeveral;
  }
}

void HandedOut::suspect(std::uint64_t first, std::uint64_t count) {
  const std::uint64_t end = std::min<std::uint64_t>(first + count, given_.size());
  for (std::uint64_t i = first; i < end; ++i) {
    if (given_[i].given == Given::kOne) given_[i].given = Given::kSeveral;
  }
}

std::string HandedOut::bytes() const {
  std::string out;
  out.reserve(given_.size() * kRecord);
  for (const Chunk& chunk : given_) {
    out.push_back(static_cast<char>(chunk.given));
    out.append(reinterpret_cast<const char*>(&chunk.checksum), sizeof chunk.checksum);
  }
  return out;
}

bool HandedOut::add(std::string_view bytes) {
  if (bytes.size() % kRecord != 0) return false;
  for (std::size_t i = 0; i < bytes.size() / kRecord; ++i) {
    const std::string_view record = bytes.substr(i * kRecord, kRecord);
    const auto given = static_cast<Given>(record.front());
    if (given > Given::kSeveral) return false;
    if (given == Given::kNothing) continue;
    std::uint64_t checksum = 0;
    std::memcpy(&checksum, record.data() + 1, sizeof checksum);
    give(i, std::span(&checksum, 1));
    if (given == Given::kSeveral) suspect(i, 1);
  }
  return true;
}

std::vector<std::uint64_t> HandedOut::wrong(std::span<const std::uint64_t> right) const {
  std::vector<std::uint64_t> chunks;
  for (std::size_t i = 0; i < given_.size(); ++i) {
    const Chunk& chunk = given_[i];
    if (chunk.given == Given::kNothing) continue;
    const bool good = chunk.given == Given::kOne && i < right.size() && chunk.checksum == right[i];
    if (!good) chunks.push_back(i);
  }
  return chunks;
}

}  // namespace castool::pull
