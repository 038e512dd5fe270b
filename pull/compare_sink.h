// A second copy of a blob held against the bytes that are on disk, chunk by chunk.
//
// Of a chunk that differs the second copy takes the place of the first, so that damage that one
// transfer suffered is mended at the price of that transfer, and it is noted. What is the same is
// not written. Holds a chunk for each writer. Safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/byte_range.h"
#include "cas/partial.h"
#include "fetch/downloader.h"

namespace castool::pull {

class CompareSink final : public fetch::BlobSink {
 public:
  // `copy` is complete; it lives as long as this and its writers.
  explicit CompareSink(std::shared_ptr<cas::Partial> copy);
  ~CompareSink() override;

  [[nodiscard]] std::uint64_t size() const override;
  [[nodiscard]] base::Result<std::unique_ptr<fetch::RangeWriter>> claim(
      std::uint64_t max_bytes) override;
  [[nodiscard]] bool complete() override;
  [[nodiscard]] std::uint64_t present() override;
  // Nothing was written, and what differs stays noted: it is the digest that decides.
  [[nodiscard]] base::Status forget(const base::ByteRange&) override { return base::ok(); }

  // The chunks that differed, in order. After complete().
  [[nodiscard]] std::vector<base::ByteRange> differing() const;

 private:
  struct State;
  class Writer;
  std::shared_ptr<State> state_;
};

}  // namespace castool::pull
