// Some ranges of a blob that is stored, as an origin sends them, held against the stored bytes.
// Nothing is written. Safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/byte_range.h"
#include "cas/store.h"
#include "fetch/downloader.h"

namespace castool::pull {

class ProofSink final : public fetch::BlobSink {
 public:
  ProofSink(cas::Blob blob, std::vector<base::ByteRange> ranges);
  ~ProofSink() override;

  [[nodiscard]] std::uint64_t size() const override;
  [[nodiscard]] base::Result<std::unique_ptr<fetch::RangeWriter>> claim(
      std::uint64_t max_bytes) override;
  [[nodiscard]] bool complete() override;
  [[nodiscard]] std::uint64_t present() override;
  // What was the same was so whichever version of the blob it was of.
  [[nodiscard]] base::Status forget(const base::ByteRange&) override { return base::ok(); }

  // Whether every byte was the same. After complete().
  [[nodiscard]] bool same() const;

 private:
  struct State;
  class Writer;
  std::shared_ptr<State> state_;
};

}  // namespace castool::pull
