// Which chunks readers were given before the blob was verified, and what these were. A value
// without locks; pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_range.h"

namespace castool::pull {

class HandedOut {
 public:
  // Chunks from `first` on were given out with these XXH3.
  void give(std::uint64_t first, std::span<const std::uint64_t> checksums);
  // Chunks whose bytes changed on disk: what was given out of them may have been anything.
  void suspect(std::uint64_t first, std::uint64_t count);
  // Those of which something else was given out than what `right` says, the XXH3 of every chunk of
  // the verified blob.
  [[nodiscard]] std::vector<std::uint64_t> wrong(std::span<const std::uint64_t> right) const;
  // For another process that goes on with the same blob: one byte a chunk (the value of Given),
  // then the eight of its checksum, in the order of this machine, until the last that was given
  // out.
  [[nodiscard]] std::string bytes() const;
  // Adds what another process gave out; false for what bytes() cannot have made.
  [[nodiscard]] bool add(std::string_view bytes);
  [[nodiscard]] bool empty() const { return given_.empty(); }

 private:
  enum class Given : std::uint8_t { kNothing, kOne, kSeveral };
  struct Chunk {
    std::uint64_t checksum = 0;
    Given given = Given::kNothing;
  };
  std::vector<Chunk> given_;  // as far as anything was given out
};

}  // namespace castool::pull
