// The partial of a blob that is stored already: everything is present and nothing is left to do.
#pragma once

#include "cas/partial.h"

namespace castool::cas {

class PublishedPartial final : public Partial {
 public:
  PublishedPartial(PartialKey key, Blob blob) : key_(std::move(key)), blob_(std::move(blob)) {}

  [[nodiscard]] const PartialKey& key() const override { return key_; }
  [[nodiscard]] std::uint64_t chunk_count() const override;
  [[nodiscard]] base::Result<std::unique_ptr<ChunkWriter>> claim(
      std::uint64_t from, std::uint64_t max_bytes, const base::ByteRange& within) override;
  void want(const base::ByteRange&) override {}
  void unwant(const base::ByteRange&) override {}
  [[nodiscard]] base::Result<std::uint64_t> refresh() override { return key_.size; }
  [[nodiscard]] std::uint64_t bytes_present() const override { return key_.size; }
  [[nodiscard]] std::uint64_t contiguous_prefix() const override { return key_.size; }
  [[nodiscard]] bool present(const base::ByteRange& range) const override;
  [[nodiscard]] bool complete() const override { return true; }
  [[nodiscard]] std::optional<std::vector<std::uint64_t>> checksums(
      const base::ByteRange&) const override {
    return std::vector<std::uint64_t>();
  }
  [[nodiscard]] bool published() const override { return true; }
  [[nodiscard]] std::uint64_t generation() const override { return 0; }
  [[nodiscard]] int data_fd() const override { return blob_.fd.get(); }
  [[nodiscard]] base::Status invalidate(const base::ByteRange& range) override;
  [[nodiscard]] base::Result<std::vector<base::ByteRange>> recheck() override;
  [[nodiscard]] base::Result<std::optional<base::UniqueFd>> try_lead() override;
  [[nodiscard]] base::Status publish(const base::Digest& computed,
                                     const std::stop_token& stop) override;

 private:
  const PartialKey key_;
  const Blob blob_;
};

}  // namespace castool::cas
