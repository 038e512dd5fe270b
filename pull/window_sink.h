// Only the chunks of a blob that touch one range: done when these are there.
#pragma once

#include <memory>

#include "pull/store_sink.h"

namespace castool::pull {

// Safe from any thread.
class WindowSink final : public fetch::BlobSink {
 public:
  WindowSink(IncomingBlob blob, const base::ByteRange& window)
      : blob_(std::move(blob)), window_(window) {}

  [[nodiscard]] std::uint64_t size() const override { return blob_.partial->key().size; }
  [[nodiscard]] base::Result<std::unique_ptr<fetch::RangeWriter>> claim(
      std::uint64_t max_bytes) override;
  [[nodiscard]] bool complete() override;
  [[nodiscard]] std::uint64_t present() override { return blob_.partial->bytes_present(); }
  [[nodiscard]] base::Status forget(const base::ByteRange& range) override;

 private:
  const IncomingBlob blob_;
  const base::ByteRange window_;
};

}  // namespace castool::pull
