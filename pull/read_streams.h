// What the reads of one blob so far tell about the next ones. A value without locks; pure.
//
// Reads that go on where others ended, a few such streams beside each other, are read ahead of: one
// MiB at first, twice as much each time half of it has been read, 64 MiB at most. A read elsewhere
// begins a new stream and halves what the others are given. Many reads elsewhere, as a program
// makes that maps a large file, say that all of it is wanted and its order cannot be known.
//
// The figures are those of mountpoint-s3 and hf-mount, within what range requests of 1 to 8 MiB can
// do (docs/performance.md).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/byte_range.h"

namespace castool::pull {

class ReadStreams {
 public:
  static constexpr std::uint64_t kFirstWindow = std::uint64_t{1} << 20;
  static constexpr std::uint64_t kLargestWindow = std::uint64_t{64} << 20;
  // A read this far behind or before where a stream is belongs to it.
  static constexpr std::uint64_t kBackward = std::uint64_t{1} << 20;
  static constexpr std::uint64_t kForward = std::uint64_t{2} << 20;
  static constexpr std::size_t kStreams = 8;
  // Blobs smaller than that are soon read ahead of anyhow.
  static constexpr std::uint64_t kScatterable = std::uint64_t{16} << 20;
  // Reads elsewhere, less a quarter for each that goes on.
  static constexpr int kScattered = 24;

  explicit ReadStreams(std::uint64_t blob_size) : blob_size_(blob_size) {}

  struct Advice {
    base::ByteRange ahead;  // wanted soon; may be empty
    bool whole = false;     // fetch everything at full speed
  };
  [[nodiscard]] Advice on_read(const base::ByteRange& range);

 private:
  struct Stream {
    std::uint64_t next = 0;
    std::uint64_t window = 0;
    std::uint64_t grown_at = 0;
    std::uint64_t used = 0;  // when, by the count of reads; 0: free
  };

  [[nodiscard]] Stream* stream_of(const base::ByteRange& range);
  [[nodiscard]] Stream& begin(const base::ByteRange& range);
  void go_on(Stream& stream, const base::ByteRange& range);

  const std::uint64_t blob_size_;
  std::array<Stream, kStreams> streams_;
  std::uint64_t reads_ = 0;
  int scattered_ = 0;  // in quarters
};

}  // namespace castool::pull
