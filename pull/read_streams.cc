#include "pull/read_streams.h"

#include <algorithm>

namespace castool::pull {

ReadStreams::Stream* ReadStreams::stream_of(const base::ByteRange& range) {
  Stream* best = nullptr;
  for (Stream& stream : streams_) {
    if (stream.used == 0) continue;
    const bool behind = range.end() + kBackward >= stream.next;
    const bool before = range.offset <= stream.next + std::max(kForward, stream.window);
    if (behind && before && (best == nullptr || best->used < stream.used)) best = &stream;
  }
  return best;
}

ReadStreams::Stream& ReadStreams::begin(const base::ByteRange& range) {
  for (Stream& stream : streams_) stream.window /= 2;
  Stream& stream =
      *std::min_element(streams_.begin(), streams_.end(),
                        [](const Stream& a, const Stream& b) { return a.used < b.used; });
  // Whoever begins at the front mostly goes on; elsewhere that has to show first.
  stream = {range.end(), range.offset == 0 ? kFirstWindow : 0, range.end(), reads_};
  if (range.offset != 0) scattered_ += 4;
  return stream;
}

void ReadStreams::go_on(Stream& stream, const base::ByteRange& range) {
  stream.used = reads_;
  scattered_ = std::max(0, scattered_ - 1);
  if (range.end() <= stream.next) return;
  stream.next = range.end();
  if (stream.window < kFirstWindow) {
    stream.window = kFirstWindow;
    stream.grown_at = stream.next;
  } else if (stream.next - stream.grown_at >= stream.window / 2) {
    stream.window = std::min(2 * stream.window, kLargestWindow);
    stream.grown_at = stream.next;
  }
}

ReadStreams::Advice ReadStreams::on_read(const base::ByteRange& range) {
  ++reads_;
  Stream* stream = stream_of(range);
  if (stream != nullptr) {
    go_on(*stream, range);
  } else {
    stream = &begin(range);
  }
  Advice advice;
  advice.ahead = base::ByteRange{stream->next, stream->window}.intersect({0, blob_size_});
  advice.whole = blob_size_ >= kScatterable && scattered_ >= 4 * kScattered;
  return advice;
}

}  // namespace castool::pull
