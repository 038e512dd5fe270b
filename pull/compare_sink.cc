#include "pull/compare_sink.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/mutex.h"

namespace castool::pull {
namespace {

constexpr std::size_t kReadSize = 64u << 10;

enum class ChunkState : std::uint8_t { kMissing, kClaimed, kSame, kDifferent };

// Whether the file has exactly `bytes` at `offset`.
base::Result<bool> file_has(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  std::array<std::byte, kReadSize> buffer;
  while (!bytes.empty()) {
    const std::size_t want = std::min(bytes.size(), buffer.size());
    const ssize_t got = ::pread(fd, buffer.data(), want, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::errno_error(errno, "read an unfinished blob");
    if (got == 0) return false;
    const auto size = static_cast<std::size_t>(got);
    if (std::memcmp(buffer.data(), bytes.data(), size) != 0) return false;
    bytes = bytes.subspan(size);
    offset += size;
  }
  return true;
}

// Leaves the chunk to another process when that is faster.
base::Status replace(cas::Partial& copy, const base::ByteRange& chunk,
                     std::span<const std::byte> bytes) {
  CASTOOL_RETURN_IF_ERROR(copy.invalidate(chunk));
  CASTOOL_ASSIGN(const auto writer, copy.claim(chunk.offset, chunk.length, chunk));
  return writer ? writer->append(bytes) : base::ok();
}

}  // namespace

struct CompareSink::State {
  explicit State(std::shared_ptr<cas::Partial> first)
      : copy(std::move(first)),
        size(copy->key().size),
        chunks((size + cas::kChunkSize - 1) / cas::kChunkSize, ChunkState::kMissing) {}

  const std::shared_ptr<cas::Partial> copy;
  const std::uint64_t size;
  mutable base::Mutex mutex;
  std::vector<ChunkState> chunks CASTOOL_GUARDED_BY(mutex);

  void mark(std::size_t chunk, ChunkState to) CASTOOL_EXCLUDES(mutex) {
    const base::MutexLock lock(mutex);
    chunks[chunk] = to;
  }
};

class CompareSink::Writer final : public fetch::RangeWriter {
 public:
  Writer(std::shared_ptr<State> state, const base::ByteRange& range)
      : state_(std::move(state)), next_(range.offset), end_(range.end()) {}
  ~Writer() override {
    // The chunk that was begun counts as never asked for.
    for (std::uint64_t at = next_ - next_ % cas::kChunkSize; at < end_ && next_ < end_;
         at += cas::kChunkSize) {
      state_->mark(at / cas::kChunkSize, ChunkState::kMissing);
    }
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  [[nodiscard]] std::uint64_t next_offset() const override { return next_; }
  [[nodiscard]] std::uint64_t end_offset() const override { return end_; }

  [[nodiscard]] base::Status append(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const std::uint64_t chunk = next_ / cas::kChunkSize;
      const std::uint64_t chunk_end = std::min((chunk + 1) * cas::kChunkSize, end_);
      const auto piece = bytes.first(std::min<std::uint64_t>(bytes.size(), chunk_end - next_));
      if (piece.empty()) {
        return base::make_error(base::Code::kInternal, "bytes past the end of a claimed range");
      }
      CASTOOL_ASSIGN(const bool same, file_has(state_->copy->data_fd(), next_, piece));
      if (!same) differs_ = true;
      if (second_.empty()) second_.reserve(cas::kChunkSize);
      second_.insert(second_.end(), piece.begin(), piece.end());
      next_ += piece.size();
      bytes = bytes.subspan(piece.size());
      if (next_ == chunk_end) CASTOOL_RETURN_IF_ERROR(end_chunk(chunk));
    }
    return base::ok();
  }

 private:
  base::Status end_chunk(std::uint64_t chunk) {
    const base::ByteRange range{chunk * cas::kChunkSize, second_.size()};
    if (differs_) CASTOOL_RETURN_IF_ERROR(replace(*state_->copy, range, second_));
    state_->mark(chunk, differs_ ? ChunkState::kDifferent : ChunkState::kSame);
    differs_ = false;
    second_.clear();
    return base::ok();
  }

  const std::shared_ptr<State> state_;
  std::uint64_t next_;
  const std::uint64_t end_;
  // Of the chunk of next_:
  bool differs_ = false;
  std::vector<std::byte> second_;
};

CompareSink::CompareSink(std::shared_ptr<cas::Partial> copy)
    : state_(std::make_shared<State>(std::move(copy))) {}

CompareSink::~CompareSink() = default;

std::uint64_t CompareSink::size() const { return state_->size; }

base::Result<std::unique_ptr<fetch::RangeWriter>> CompareSink::claim(std::uint64_t max_bytes) {
  const std::uint64_t most = std::max<std::uint64_t>(max_bytes / cas::kChunkSize, 1);
  base::ByteRange range;
  {
    const base::MutexLock lock(state_->mutex);
    auto& chunks = state_->chunks;
    const auto first = std::find(chunks.begin(), chunks.end(), ChunkState::kMissing);
    auto last = first;
    while (last != chunks.end() && *last == ChunkState::kMissing &&
           static_cast<std::uint64_t>(last - first) < most) {
      *last++ = ChunkState::kClaimed;
    }
    const auto begin = static_cast<std::uint64_t>(first - chunks.begin()) * cas::kChunkSize;
    const auto end = static_cast<std::uint64_t>(last - chunks.begin()) * cas::kChunkSize;
    if (first != last) range = {begin, std::min(end, state_->size) - begin};
  }
  if (range.empty()) return std::unique_ptr<fetch::RangeWriter>();
  return std::unique_ptr<fetch::RangeWriter>(std::make_unique<Writer>(state_, range));
}

bool CompareSink::complete() {
  const base::MutexLock lock(state_->mutex);
  return std::none_of(state_->chunks.begin(), state_->chunks.end(), [](ChunkState chunk) {
    return chunk == ChunkState::kMissing || chunk == ChunkState::kClaimed;
  });
}

std::uint64_t CompareSink::present() {
  const base::MutexLock lock(state_->mutex);
  const auto compared =
      std::count_if(state_->chunks.begin(), state_->chunks.end(), [](ChunkState chunk) {
        return chunk == ChunkState::kSame || chunk == ChunkState::kDifferent;
      });
  return std::min(state_->size, static_cast<std::uint64_t>(compared) * cas::kChunkSize);
}

std::vector<base::ByteRange> CompareSink::differing() const {
  std::vector<base::ByteRange> ranges;
  const base::MutexLock lock(state_->mutex);
  for (std::size_t i = 0; i < state_->chunks.size(); ++i) {
    if (state_->chunks[i] != ChunkState::kDifferent) continue;
    const std::uint64_t begin = i * cas::kChunkSize;
    ranges.push_back({begin, std::min(cas::kChunkSize, state_->size - begin)});
  }
  return ranges;
}

}  // namespace castool::pull
