#include "fetch/range_transfer.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "fetch/replica.h"

namespace castool::fetch {
namespace {

// The body of an error is read to its end, so that the connection can be used again, if it is
// short.
constexpr std::uint64_t kLongestDiscard = 64 * 1024;
constexpr std::size_t kRefusalText = 1024;

// With If-Range a server that has another version answers 200 with all of it; one that knows no
// If-Range answers 206 of the other version.
bool is_other_version(const ResponseHead& head, const std::string& version) {
  if (version.empty() || (head.status != 200 && head.status != 206)) return false;
  const auto etag = strong_etag(head.headers);
  return etag && *etag != version;
}

}  // namespace

RangeTransfer::RangeTransfer(Writers writers, Wanted wanted, TransferEvents& events)
    : writers_(std::move(writers)), wanted_(std::move(wanted)), events_(events) {}

Flow RangeTransfer::on_head(const ResponseHead& head) noexcept {
  try {
    head_ = head;
    answer_ = judge(head, wanted_.range, wanted_.size);
    if (is_other_version(head, wanted_.version)) answer_ = {AnswerKind::kOtherVersion, {}};
    const auto& asked = wanted_.range;
    const bool asked_for_all = !asked || (asked->offset == 0 && asked->length == wanted_.size);
    accepted_ = answer_.kind == AnswerKind::kPart ||
                (answer_.kind == AnswerKind::kWhole && asked_for_all && !answer_.range.empty());
    position_ = answer_.range.offset;
    if (accepted_) {
      gathered_.reserve(kGatherBytes);
      events_.on_accepted(*this);
    }
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
    keep_refusal(bytes);
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

void RangeTransfer::keep_refusal(std::span<const std::byte> bytes) noexcept {
  try {
    const std::size_t room = kRefusalText - std::min(kRefusalText, refusal_text_.size());
    for (const std::byte byte : bytes.first(std::min(bytes.size(), room))) {
      const char c = static_cast<char>(byte);
      refusal_text_.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    }
  } catch (const std::exception&) {
    refusal_text_.clear();
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
