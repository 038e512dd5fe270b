#include "cas/chunk_writer.h"

#include <algorithm>

namespace castool::cas {

PartialWriter::PartialWriter(PartialFile& partial, ChunkHold hold)
    : partial_(partial),
      hold_(std::move(hold)),
      next_(hold_.run().first * kChunkSize),
      end_(std::min(hold_.run().end() * kChunkSize, partial.key().size)),
      chunk_end_(next_ + partial.chunk_bytes(hold_.run().first)) {}

base::Status PartialWriter::append(std::span<const std::byte> bytes) {
  if (broken_) return base::make_error(base::Code::kIo, "an earlier write of this range failed");
  if (bytes.size() > end_ - next_) {
    return base::make_error(base::Code::kInternal, "more bytes than the claimed range has");
  }
  // One write for all of them: the caller gathered them so that the kernel is asked seldom.
  CASTOOL_RETURN_IF_ERROR(partial_.write_data(next_, bytes));
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min<std::uint64_t>(bytes.size(), chunk_end_ - next_));
    base::Status taken = take(part);
    if (!taken) {
      broken_ = true;
      return taken;
    }
    bytes = bytes.subspan(part.size());
  }
  return base::ok();
}

base::Status PartialWriter::take(std::span<const std::byte> bytes) {
  checksum_.update(bytes);
  next_ += bytes.size();
  if (next_ < chunk_end_) return base::ok();
  const ChunkRun run = hold_.run();
  CASTOOL_RETURN_IF_ERROR(partial_.record_chunk(run.first, checksum_.finish()));
  hold_.keep({run.first + 1, run.count - 1});
  if (next_ < end_) chunk_end_ = next_ + partial_.chunk_bytes(hold_.run().first);
  return base::ok();
}

}  // namespace castool::cas
