#include "pull/handed_out.h"

#include <algorithm>

namespace castool::pull {

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
