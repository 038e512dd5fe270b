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
  give_back_wanted();
  return base::ok();
}

// A chunk that somebody waits for is not kept until a long transfer comes to it. The one after the
// present one stays: it comes sooner than anybody else could begin. So does what a reader waits for
// who waits for everything before it, too: he follows this transfer, and has to be given that
// first.
void PartialWriter::give_back_wanted() {
  constexpr auto kLook = std::chrono::milliseconds(50);
  const ChunkRun run = hold_.run();
  if (run.count < 3) return;
  const auto now = partial_.clock().now();
  const bool look = now - looked_at_ >= kLook;
  if (look) looked_at_ = now;
  const auto whom = look ? PartialFile::Asked::kEverybody : PartialFile::Asked::kOurs;
  const auto wanted_by_anybody = [&](std::uint64_t chunk) {
    return partial_.wanted_in({chunk, 1}, PartialFile::Asked::kEverybody).has_value();
  };
  std::uint64_t followed = run.first;  // everything before it is waited for
  ChunkRun later{run.first + 2, run.count - 2};
  while (later.count != 0) {
    const auto wanted = partial_.wanted_in(later, whom);
    if (!wanted) return;
    while (followed < *wanted && wanted_by_anybody(followed)) ++followed;
    if (followed < *wanted) {
      hold_.keep({run.first, *wanted - run.first});
      end_ = *wanted * kChunkSize;
      return;
    }
    later = {*wanted + 1, run.end() - *wanted - 1};
  }
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
