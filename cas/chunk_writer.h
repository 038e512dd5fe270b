// Fills a claimed run of a PartialFile from its first byte to its last.
#pragma once

#include "cas/checksum.h"
#include "cas/partial_file.h"

namespace castool::cas {

class PartialWriter final : public ChunkWriter {
 public:
  PartialWriter(PartialFile& partial, ChunkHold hold);
  ~PartialWriter() override = default;

  [[nodiscard]] std::uint64_t next_offset() const override { return next_; }
  [[nodiscard]] std::uint64_t end_offset() const override { return end_; }
  [[nodiscard]] base::Status append(std::span<const std::byte> bytes) override;

 private:
  [[nodiscard]] base::Status take(std::span<const std::byte> bytes);
  void give_back_wanted();

  PartialFile& partial_;
  ChunkHold hold_;  // chunks not recorded yet
  std::uint64_t next_;
  std::uint64_t end_;
  std::uint64_t chunk_end_;
  Xxh3Stream checksum_;
  base::Clock::Monotonic looked_at_{};  // for others' wishes
  bool broken_ = false;                 // bytes and checksum no longer belong together
};

}  // namespace castool::cas
