// A blob in memory as a BlobSink, with claims of its own, and an AddressBook that counts.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "fetch/downloader.h"

namespace castool::fetch {

// Chunks of 64 KiB; remembers every byte's place and fails on what no sink may see: a write that
// does not continue its run. Safe from any thread.
class MemoryBlob final : public BlobSink {
 public:
  static constexpr std::uint64_t kChunk = 64 * 1024;

  explicit MemoryBlob(std::uint64_t size)
      : size_(size), bytes_(size, '\0'), chunks_((size + kChunk - 1) / kChunk, State::kMissing) {}

  [[nodiscard]] std::uint64_t size() const override { return size_; }
  base::Result<std::unique_ptr<RangeWriter>> claim(std::uint64_t max_bytes) override;
  bool complete() override {
    const base::MutexLock lock(mutex_);
    return std::all_of(chunks_.begin(), chunks_.end(),
                       [](State state) { return state == State::kPresent; });
  }

  std::uint64_t present() override {
    const base::MutexLock lock(mutex_);
    const auto count = std::count(chunks_.begin(), chunks_.end(), State::kPresent);
    return std::min(size_, static_cast<std::uint64_t>(count) * kChunk);
  }
  base::Status forget(const base::ByteRange& range) override {
    const base::MutexLock lock(mutex_);
    for (std::size_t i = range.offset / kChunk; i * kChunk < range.end() && i < chunks_.size();
         ++i) {
      if (chunks_[i] == State::kPresent) chunks_[i] = State::kMissing;
    }
    forgotten_ += range.length;
    return base::ok();
  }
  [[nodiscard]] std::uint64_t forgotten() const { return forgotten_; }

  [[nodiscard]] std::string bytes() const {
    const base::MutexLock lock(mutex_);
    return bytes_;
  }
  // Bytes appended, repeated ones too.
  [[nodiscard]] std::uint64_t appended() const { return appended_; }
  void fail_appends_after(std::uint64_t bytes, base::Error error) {
    fail_after_ = bytes;
    failure_ = std::move(error);
  }
  // As if another process had claimed it: kept from claim() until released.
  void hold(std::size_t chunk) { set(chunk, State::kClaimed); }
  void finish_elsewhere(std::size_t chunk, const std::string& blob) {
    const base::MutexLock lock(mutex_);
    const std::size_t offset = chunk * kChunk;
    const std::size_t length = std::min<std::size_t>(kChunk, bytes_.size() - offset);
    bytes_.replace(offset, length, blob, offset, length);
    chunks_[chunk] = State::kPresent;
  }
  [[nodiscard]] int claims() const { return claims_; }

 private:
  enum class State { kMissing, kClaimed, kPresent };
  class Writer;

  void set(std::size_t chunk, State state) {
    const base::MutexLock lock(mutex_);
    chunks_[chunk] = state;
  }

  const std::uint64_t size_;
  mutable base::Mutex mutex_;
  std::string bytes_ CASTOOL_GUARDED_BY(mutex_);
  std::vector<State> chunks_ CASTOOL_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> appended_{0};
  std::atomic<std::uint64_t> forgotten_{0};
  std::uint64_t fail_after_ = ~std::uint64_t{0};
  std::optional<base::Error> failure_;
  std::atomic<int> claims_{0};
};

class MemoryBlob::Writer final : public RangeWriter {
 public:
  Writer(MemoryBlob& blob, std::uint64_t begin, std::uint64_t end)
      : blob_(blob), next_(begin), end_(end) {}
  ~Writer() override {
    for (std::uint64_t chunk = next_ / kChunk; chunk * kChunk < end_ && next_ < end_; ++chunk) {
      blob_.set(chunk, State::kMissing);
    }
  }
  [[nodiscard]] std::uint64_t next_offset() const override { return next_; }
  [[nodiscard]] std::uint64_t end_offset() const override { return end_; }
  base::Status append(std::span<const std::byte> bytes) override {
    if (bytes.size() > end_ - next_) return base::make_error(base::Code::kInternal, "past the end");
    if (blob_.appended_ >= blob_.fail_after_) return *blob_.failure_;
    const base::MutexLock lock(blob_.mutex_);
    std::memcpy(blob_.bytes_.data() + next_, bytes.data(), bytes.size());
    for (std::uint64_t left = bytes.size(); left > 0;) {
      const std::uint64_t step = std::min(left, kChunk - next_ % kChunk);
      next_ += step;
      left -= step;
      if (next_ % kChunk == 0 || next_ == blob_.bytes_.size()) {
        blob_.chunks_[(next_ - 1) / kChunk] = State::kPresent;
      }
    }
    blob_.appended_ += bytes.size();
    return base::ok();
  }

 private:
  MemoryBlob& blob_;
  std::uint64_t next_;
  std::uint64_t end_;
};

inline base::Result<std::unique_ptr<RangeWriter>> MemoryBlob::claim(std::uint64_t max_bytes) {
  ++claims_;
  const base::MutexLock lock(mutex_);
  const auto first = std::find(chunks_.begin(), chunks_.end(), State::kMissing);
  if (first == chunks_.end()) return std::unique_ptr<RangeWriter>();
  const auto most = static_cast<std::ptrdiff_t>(std::max<std::uint64_t>(max_bytes / kChunk, 1));
  const auto limit = std::min(most, chunks_.end() - first);
  const auto last =
      std::find_if(first, first + limit, [](State s) { return s != State::kMissing; });
  std::fill(first, last, State::kClaimed);
  const std::uint64_t begin = static_cast<std::uint64_t>(first - chunks_.begin()) * kChunk;
  const std::uint64_t end = static_cast<std::uint64_t>(last - chunks_.begin()) * kChunk;
  return std::make_unique<Writer>(*this, begin, std::min<std::uint64_t>(end, bytes_.size()));
}

// Gives "https://cdn.example/<n>", n counting the fresh ones.
class CountingBook final : public AddressBook {
 public:
  base::Result<BlobAddress> address(Need need, std::stop_token /*stop*/) override {
    if (need == Need::kFresh) ++fresh_;
    ++asked_;
    BlobAddress address;
    address.url = "https://cdn.example/" + std::to_string(fresh_.load()) + "?Signature=secret";
    address.headers.add("Authorization", "Bearer canary");
    if (lifetime_) address.expires = std::chrono::steady_clock::now() + *lifetime_;
    return address;
  }
  [[nodiscard]] int fresh() const { return fresh_; }
  [[nodiscard]] int asked() const { return asked_; }
  void set_lifetime(base::Clock::Duration lifetime) { lifetime_ = lifetime; }

 private:
  std::atomic<int> fresh_{0};
  std::atomic<int> asked_{0};
  std::optional<base::Clock::Duration> lifetime_;
};

// Bytes that differ everywhere, so that a byte at a wrong offset shows.
inline std::string test_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = size + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

}  // namespace castool::fetch
