// What a job takes from its sink, and when.
#include <algorithm>
#include <utility>

#include "fetch/download_job.h"

namespace castool::fetch {
namespace {

constexpr std::chrono::milliseconds kClaimPoll{20};

}  // namespace

// As long as nothing arrives, ranges that failed and wait stand for the connections that they were
// asked over: new ones in their stead would be a storm of requests (row 10). One more is tried, in
// case it is only them that are not to be had.
bool DownloadJob::may_claim(Monotonic now) const {
  if (now < claim_again_at_) return false;
  if (history_.failures == 0) return true;
  const auto waiting = std::count_if(queue_.begin(), queue_.end(),
                                     [now](const Work& work) { return work.not_before > now; });
  return waiting <= core_.budget.connections();
}

std::unique_ptr<RangeWriter> DownloadJob::claim(std::uint64_t max_bytes) {
  if (error_ || !may_claim(core_.clock.now())) return nullptr;
  auto claimed = sink_.claim(max_bytes);
  if (!claimed) {
    fail(std::move(claimed).error());
    return nullptr;
  }
  if (*claimed == nullptr) {
    claim_again_at_ = after(kClaimPoll);
    wake_at(claim_again_at_);
  } else {
    const std::uint64_t from = (*claimed)->next_offset();
    const base::ByteRange range{from, (*claimed)->end_offset() - from};
    claimed_ += range.length;
    const bool touches = !claims_.empty() && claims_.back().end() == range.offset;
    if (touches) {
      claims_.back().length += range.length;
    } else {
      claims_.push_back(range);
    }
  }
  return *std::move(claimed);
}

// Bytes that nobody was given yet, as far as this job knows.
std::uint64_t DownloadJob::unclaimed() {
  const std::uint64_t written = written_.load(std::memory_order_relaxed);
  const std::uint64_t under_way = claimed_ - std::min(claimed_, written);
  return size_ - std::min(size_, sink_.present() + under_way);
}

}  // namespace castool::fetch
