// The store's partial as the downloader wants to see it.
//
// Claims come from the lowest missing chunk upwards, so that the hash front keeps moving. Each
// chunk that fills up wakes the hasher and the progress. Everything a writer needs lives as long as
// it.
#pragma once

#include <functional>
#include <memory>

#include "cas/partial.h"
#include "fetch/downloader.h"
#include "pull/fill_allowance.h"
#include "pull/progress.h"

namespace castool::pull {

// What the transfers of one blob share. `hasher` may be empty: then nobody follows the front.
struct IncomingBlob {
  std::shared_ptr<cas::Partial> partial;
  std::shared_ptr<cas::PrefixHasher> hasher;  // reads `partial`, so it is destroyed before it
  std::shared_ptr<FileProgress> progress;
  std::function<void()> chunk_filled;  // called on the transport's thread; may be empty
  std::shared_ptr<FillAllowance::Room> room = nullptr;  // of one writer; null: nobody counts
};

// Writes into claimed chunks, telling the blob's hasher, progress and listener.
[[nodiscard]] std::unique_ptr<fetch::RangeWriter> make_store_writer(
    IncomingBlob blob, std::unique_ptr<cas::ChunkWriter> chunks);

class StoreSink final : public fetch::BlobSink {
 public:
  explicit StoreSink(IncomingBlob blob) : blob_(std::move(blob)) {}

  [[nodiscard]] std::uint64_t size() const override { return blob_.partial->key().size; }
  [[nodiscard]] base::Result<std::unique_ptr<fetch::RangeWriter>> claim(
      std::uint64_t max_bytes) override;
  [[nodiscard]] bool complete() override;
  [[nodiscard]] std::uint64_t present() override { return blob_.partial->bytes_present(); }
  // Looks at the table again, since other processes fill it as well.
  void look() override;
  [[nodiscard]] base::Status forget(const base::ByteRange& range) override;

 private:
  const IncomingBlob blob_;
};

}  // namespace castool::pull
