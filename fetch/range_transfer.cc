#include "fetch/range_transfer.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace castool::fetch {
namespace {

// The body of an error is read to its end, so that the connection can be used again, if it is
// short.
constexpr std::uint64_t kLongestDiscard = 64 * 1024;

}  // namespace

RangeTransfer::RangeTransfer(Writers writers, std::optional<base::ByteRange> asked,
                             std::uint64_t size, TransferEvents& events)
    : writers_(std::move(writers)), asked_(asked), size_(size), events_(events) {}

Flow RangeTransfer::on_head(const ResponseHead& head) noexcept {
  try {
    head_ = head;
    answer_ = judge(head, asked_, size_);
    const bool asked_for_all = !asked_ || (asked_->offset == 0 && asked_->length == size_);
    accepted_ = answer_.kind == AnswerKind::kPart ||
                (answer_.kind == AnswerKind::kWhole && asked_for_all && !answer_.range.empty());
    position_ = answer_.range.offset;
    if (accepted_) gathered_.reserve(kGatherBytes);
  } catch (const std::exception&) {
    return Flow::kAbort;
  }
  const bool body_is_long = answer_.kind != AnswerKind::kRedirect && head_->status < 400;
  return accepted_ || !body_is_long ? Flow::kContinue : Flow::kAbort;
}

Flow RangeTransfer::on_body(std::span<const std::byte> bytes) noexcept {
  const auto wait = events_.take_tokens(bytes.size());
  if (wait > base::Clock::Duration(0)) {
    events_.on_paused(*this, wait);
    return Flow::kPause;
  }
  events_.on_received(bytes.size());
  if (!accepted_) {
    discarded_ += bytes.size();
    return discarded_ > kLongestDiscard ? Flow::kAbort : Flow::kContinue;
  }
  try {
    return take_body(bytes);
  } catch (const std::exception& error) {
    sink_status_ = base::make_error(base::Code::kInternal, "the sink threw an exception");
    return Flow::kAbort;
  }
}

Flow RangeTransfer::take_body(std::span<const std::byte> bytes) {
  const std::uint64_t expected = answer_.range.end() - position_;
  const bool too_long = bytes.size() > expected;
  if (too_long) bytes = bytes.first(static_cast<std::size_t>(expected));
  const std::uint64_t written_before = bytes_written_;
  const bool delivered = deliver(bytes);
  const std::uint64_t written = bytes_written_ - written_before;
  events_.on_progress(written, bytes.size() - std::min<std::uint64_t>(written, bytes.size()));
  // A body that goes on after its end cannot be trusted to leave the connection in order.
  if (!delivered || too_long) return Flow::kAbort;
  // The rest of a whole blob is of no use once the last writer is full.
  return writers_.empty() && position_ < answer_.range.end() ? Flow::kAbort : Flow::kContinue;
}

bool RangeTransfer::deliver(std::span<const std::byte> bytes) {
  while (!bytes.empty() && !writers_.empty()) {
    RangeWriter& writer = *writers_.front();
    const std::uint64_t wanted_from = writer.next_offset() + gathered_.size();
    if (position_ < wanted_from) {
      const auto skip = std::min<std::uint64_t>(wanted_from - position_, bytes.size());
      bytes = bytes.subspan(static_cast<std::size_t>(skip));
      position_ += skip;
      continue;
    }
    const std::uint64_t room =
        std::min<std::uint64_t>(writer.end_offset() - wanted_from, kGatherBytes - gathered_.size());
    const auto now =
        bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(room, bytes.size())));
    gathered_.insert(gathered_.end(), now.begin(), now.end());
    bytes = bytes.subspan(now.size());
    position_ += now.size();
    bytes_written_ += now.size();
    const bool writer_done = wanted_from + now.size() == writer.end_offset();
    if ((writer_done || gathered_.size() == kGatherBytes) && !flush()) return false;
  }
  position_ += bytes.size();
  return true;
}

bool RangeTransfer::flush() {
  if (writers_.empty() || gathered_.empty()) return true;
  sink_status_ = writers_.front()->append(gathered_);
  gathered_.clear();
  drop_full_writer();
  return sink_status_.has_value();
}

void RangeTransfer::drop_full_writer() {
  const RangeWriter& writer = *writers_.front();
  if (writer.next_offset() == writer.end_offset()) writers_.erase(writers_.begin());
}

void RangeTransfer::on_done(const TransferResult& result) noexcept {
  try {
    result_ = result;
    if (sink_status_ && !flush()) result_.end = TransferEnd::kAborted;
    gathered_ = {};
  } catch (const std::exception&) {
    sink_status_ = base::make_error(base::Code::kInternal, "out of memory");
  }
  events_.on_ended(*this);
}

}  // namespace castool::fetch
