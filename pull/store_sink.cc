#include "pull/store_sink.h"

#include <utility>

namespace castool::pull {
namespace {

class StoreRangeWriter final : public fetch::RangeWriter {
 public:
  StoreRangeWriter(IncomingBlob blob, std::unique_ptr<cas::ChunkWriter> chunks)
      : blob_(std::move(blob)), chunks_(std::move(chunks)) {}

  [[nodiscard]] std::uint64_t next_offset() const override { return chunks_->next_offset(); }
  [[nodiscard]] std::uint64_t end_offset() const override { return chunks_->end_offset(); }

  [[nodiscard]] base::Status append(std::span<const std::byte> bytes) override {
    const std::uint64_t before = chunks_->next_offset();
    CASTOOL_RETURN_IF_ERROR(chunks_->append(bytes));
    blob_.progress->add_received(bytes.size());
    const std::uint64_t after = chunks_->next_offset();
    const bool chunk_filled =
        after / cas::kChunkSize != before / cas::kChunkSize || after == chunks_->end_offset();
    if (chunk_filled) {
      if (blob_.room) blob_.room->left_is(chunks_->end_offset() - after);
      if (blob_.hasher) blob_.hasher->wake();
      blob_.progress->raise_to(blob_.partial->bytes_present());
      if (blob_.chunk_filled) blob_.chunk_filled();
    }
    return base::ok();
  }

 private:
  const IncomingBlob blob_;
  // After blob_, so that its claims are released while the partial is there.
  const std::unique_ptr<cas::ChunkWriter> chunks_;
};

}  // namespace

std::unique_ptr<fetch::RangeWriter> make_store_writer(IncomingBlob blob,
                                                      std::unique_ptr<cas::ChunkWriter> chunks) {
  return std::make_unique<StoreRangeWriter>(std::move(blob), std::move(chunks));
}

base::Result<std::unique_ptr<fetch::RangeWriter>> StoreSink::claim(std::uint64_t max_bytes) {
  CASTOOL_ASSIGN(auto chunks, blob_.partial->claim(0, max_bytes, {0, size()}));
  if (!chunks) return std::unique_ptr<fetch::RangeWriter>();
  return make_store_writer(blob_, std::move(chunks));
}

base::Status StoreSink::forget(const base::ByteRange& range) {
  return blob_.partial->invalidate(range);
}

bool StoreSink::complete() {
  look();
  return blob_.partial->complete();
}

void StoreSink::look() {
  const std::uint64_t before = blob_.partial->bytes_present();
  const auto present = blob_.partial->refresh();
  // A table that cannot be read shows again, as an error, at the next claim.
  if (!present) return;
  // Also when a claim or the hasher has looked before us.
  blob_.progress->raise_to(*present);
  if (*present != before && blob_.hasher) blob_.hasher->wake();
}

}  // namespace castool::pull
