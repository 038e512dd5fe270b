// What the three jobs of a LazyBlob claim: each has its own idea of what comes next, all write into
// the same partial.
#pragma once

#include <memory>
#include <vector>

#include "pull/lazy_blob.h"

namespace castool::pull {

// A demanded chunk is a request of its own: nobody waits for its neighbours. What is nearly wanted
// is asked for in pieces that come soon, the rest in larger ones (docs/performance.md).
inline constexpr std::uint64_t kDemandPiece = cas::kChunkSize;
inline constexpr std::uint64_t kNearPiece = cas::kChunkSize;
inline constexpr std::uint64_t kNear = 4 * cas::kChunkSize;
inline constexpr std::uint64_t kFarPiece = 4 * cas::kChunkSize;

class LazySink : public fetch::BlobSink {
 public:
  explicit LazySink(LazyBlob& blob) : blob_(blob), incoming_(blob.incoming()) {}

  [[nodiscard]] std::uint64_t size() const override { return blob_.key().size; }
  [[nodiscard]] std::uint64_t present() override { return incoming_.partial->bytes_present(); }
  [[nodiscard]] base::Status forget(const base::ByteRange& range) override {
    return incoming_.partial->invalidate(range);
  }

 protected:
  using Claim = base::Result<std::unique_ptr<fetch::RangeWriter>>;
  [[nodiscard]] Claim claim_in(const base::ByteRange& range, std::uint64_t most);
  [[nodiscard]] bool present(const base::ByteRange& range) {
    return incoming_.partial->present(range);
  }
  // Readers are answered from another open of the partial by now, which does not hear of what comes
  // to this one: nothing more is claimed, and the job is to begin anew.
  [[nodiscard]] bool outlived() { return blob_.partial() != incoming_.partial; }
  [[nodiscard]] bool all_present();
  [[nodiscard]] cas::Partial& partial() { return *incoming_.partial; }
  [[nodiscard]] const base::Clock& clock() const { return blob_.parts_.clock; }
  // Of the blob, under its lock.
  [[nodiscard]] std::vector<base::ByteRange> demanded();
  void look_later() { blob_.look_later(); }
  [[nodiscard]] bool demand_lingers();
  [[nodiscard]] std::vector<base::ByteRange> windows();
  void drop_window(const base::ByteRange& window);
  [[nodiscard]] bool in_a_hurry();
  [[nodiscard]] bool may_fill() const { return blob_.parts_.gate.open(); }

 private:
  LazyBlob& blob_;
  const IncomingBlob incoming_;
};

// The chunks that readers wait for. Goes on for a while after the last one, since another mostly
// follows.
class DemandSink final : public LazySink {
 public:
  using LazySink::LazySink;
  ~DemandSink() override { say_what_waits({}); }
  [[nodiscard]] bool has_work() override { return !demanded().empty(); }
  [[nodiscard]] Claim claim(std::uint64_t max_bytes) override;
  [[nodiscard]] bool complete() override;

 private:
  // Tells who holds chunks that somebody waits for, once it has not come to them for a moment;
  // takes back what nobody waits for any more.
  void say_what_waits(const std::vector<base::ByteRange>& held);

  struct Held {
    base::ByteRange range;
    base::Clock::Monotonic since;
    bool said = false;
  };
  std::vector<Held> held_;
};

// The windows before readers, or everything.
class PrefetchSink final : public LazySink {
 public:
  using LazySink::LazySink;
  [[nodiscard]] bool has_work() override { return in_a_hurry() || !windows().empty(); }
  [[nodiscard]] Claim claim(std::uint64_t max_bytes) override;
  [[nodiscard]] bool complete() override;
};

// Everything, while nobody waits.
class FillSink final : public LazySink {
 public:
  using LazySink::LazySink;
  [[nodiscard]] Claim claim(std::uint64_t max_bytes) override;
  [[nodiscard]] bool complete() override { return outlived() || all_present(); }
};

}  // namespace castool::pull
