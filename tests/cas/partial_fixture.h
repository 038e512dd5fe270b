// A blob of six chunks, the last one short, on its way in.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include "cas/chunk_table.h"
#include "tests/cas/store_fixture.h"

namespace castool::cas {

class PartialTest : public StoreTest {
 protected:
  const std::string bytes_ = content(5 * kChunkSize + 321);
  const PartialKey key_ = key_of(bytes_);
  const base::ByteRange all_{0, bytes_.size()};

  std::unique_ptr<Partial> open_partial(Store& store, Preallocate preallocate = Preallocate::kNo) {
    auto partial = store.open_partial(key_, preallocate);
    EXPECT_TRUE(partial) << partial.error().text();
    return partial ? *std::move(partial) : nullptr;
  }
  base::Status append_chunk(ChunkWriter& writer) {
    const auto at = writer.next_offset();
    const auto size = std::min<std::uint64_t>(kChunkSize, writer.end_offset() - at);
    return writer.append(bytes_of(bytes_).subspan(at, size));
  }
  // Overwrites bytes of a file of the partial behind the store's back.
  void scribble(const std::string& file, std::uint64_t offset, const std::string& text) {
    const int fd = ::open((partial_path(key_) / file).c_str(), O_WRONLY);
    ASSERT_EQ(::pwrite(fd, text.data(), text.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(text.size()));
    ::close(fd);
  }
  void pretend_another_boot(EpochState state) {
    Epoch epoch;
    epoch.boot.fill(std::byte{0x42});
    epoch.state = state;
    const auto encoded = encode_epoch(epoch);
    scribble("table", kEpochOffset,
             {reinterpret_cast<const char*>(encoded.data()), encoded.size()});
  }
};

}  // namespace castool::cas
