#include "pull/lazy_sinks.h"

#include <algorithm>

namespace castool::pull {
namespace {

using base::MutexLock;

constexpr auto kLinger = std::chrono::seconds(2);
// Giving back chunks costs their holder its connection: what comes by itself is waited for.
constexpr auto kPatience = std::chrono::milliseconds(50);

}  // namespace

LazySink::Claim LazySink::claim_in(const base::ByteRange& range, std::uint64_t most) {
  if (outlived()) return std::unique_ptr<fetch::RangeWriter>();
  CASTOOL_ASSIGN(auto chunks, incoming_.partial->claim(range.offset, most, range));
  if (!chunks) return std::unique_ptr<fetch::RangeWriter>();
  IncomingBlob incoming = incoming_;
  CASTOOL_ASSIGN(incoming.room,
                 blob_.parts_.allowance.take(chunks->end_offset() - chunks->next_offset()));
  return make_store_writer(std::move(incoming), std::move(chunks));
}

bool LazySink::all_present() {
  if (incoming_.partial->complete()) return true;
  // Other processes fill it as well. A table that cannot be read shows at the next claim.
  static_cast<void>(incoming_.partial->refresh());
  return incoming_.partial->complete();
}

std::vector<base::ByteRange> LazySink::demanded() {
  const MutexLock lock(blob_.mutex_);
  return blob_.waiters_.demanded();
}

bool LazySink::demand_lingers() {
  const MutexLock lock(blob_.mutex_);
  if (!blob_.waiters_.demanded().empty()) return true;
  const auto& clock = blob_.parts_.clock;
  return clock.now() < blob_.demand_idle_ + clock.scaled(kLinger);
}

std::vector<base::ByteRange> LazySink::windows() {
  const MutexLock lock(blob_.mutex_);
  return blob_.ahead_;
}

void LazySink::drop_window(const base::ByteRange& window) {
  const MutexLock lock(blob_.mutex_);
  std::erase(blob_.ahead_, window);
}

bool LazySink::in_a_hurry() {
  const MutexLock lock(blob_.mutex_);
  return blob_.hurry_;
}

LazySink::Claim DemandSink::claim(std::uint64_t) {
  std::vector<base::ByteRange> held;
  for (const base::ByteRange& range : demanded()) {
    CASTOOL_ASSIGN(auto writer, claim_in(range, kDemandPiece));
    if (writer) return writer;
    // Nothing to claim of it: it has come, or others are at it. It stays demanded until the readers
    // are answered.
    if (present(range)) {
      look_later();
    } else {
      held.push_back(range);
    }
  }
  say_what_waits(held);
  return std::unique_ptr<fetch::RangeWriter>();
}

bool DemandSink::complete() {
  if (!outlived() && demand_lingers()) return false;
  say_what_waits({});
  return true;
}

void DemandSink::say_what_waits(const std::vector<base::ByteRange>& held) {
  std::erase_if(held_, [&](const Held& known) {
    const bool gone = std::find(held.begin(), held.end(), known.range) == held.end();
    if (gone && known.said) partial().unwant(known.range);
    return gone;
  });
  const auto now = clock().now();
  for (const base::ByteRange& range : held) {
    const auto known = std::find_if(held_.begin(), held_.end(),
                                    [&](const Held& each) { return each.range == range; });
    if (known == held_.end()) {
      held_.push_back({range, now, false});
    } else if (!known->said && now - known->since >= kPatience) {
      partial().want(range);
      known->said = true;
    }
  }
}

LazySink::Claim PrefetchSink::claim(std::uint64_t) {
  auto ranges = windows();
  std::reverse(ranges.begin(), ranges.end());  // the reader that was here last comes first
  for (const base::ByteRange& window : ranges) {
    const base::ByteRange near{window.offset, std::min(window.length, kNear)};
    CASTOOL_ASSIGN(auto writer, claim_in(near, kNearPiece));
    if (writer) return writer;
    CASTOOL_ASSIGN(writer, claim_in(window, kFarPiece));
    if (writer) return writer;
    if (present(window)) drop_window(window);
  }
  if (in_a_hurry()) return claim_in({0, size()}, kFarPiece);
  return std::unique_ptr<fetch::RangeWriter>();
}

bool PrefetchSink::complete() {
  if (outlived()) return true;
  for (const base::ByteRange& window : windows()) {
    if (present(window)) drop_window(window);
  }
  return in_a_hurry() ? all_present() : windows().empty();
}

LazySink::Claim FillSink::claim(std::uint64_t) {
  // In a hurry the other job fetches the same, sooner.
  if (!may_fill() || in_a_hurry()) return std::unique_ptr<fetch::RangeWriter>();
  return claim_in({0, size()}, kFarPiece);
}

}  // namespace castool::pull
