#include "fetch/exchange.h"

#include <exception>
#include <utility>

namespace castool::fetch {

Exchange::Exchange(BodySink sink, BodyBounds bounds, NonSuccessBodies others, TakeTokens take)
    : sink_(std::move(sink)), bounds_(bounds), others_(others), take_(std::move(take)) {}

bool Exchange::is_success() const { return head_ && head_->status >= 200 && head_->status < 300; }

void Exchange::run(const std::shared_ptr<Exchange>& self, Transport& transport, HttpRequest request,
                   const base::Clock& clock, base::Clock::Monotonic deadline,
                   const std::stop_token& stop) {
  const TransferId id = transport.start(std::move(request), self);
  const std::stop_callback cancel(stop, [&] { transport.cancel(id); });
  for (;;) {
    const Wake wake = self->wait(clock, deadline);
    if (wake == Wake::kDone) return;
    if (wake == Wake::kDeadline) break;
    transport.resume(id);
  }
  transport.cancel(id);
  // After cancelling, the end comes from the transport's thread without waiting for the network.
  Wake wake = Wake::kDeadline;
  while (wake != Wake::kDone) {
    auto soon = clock.now() + std::chrono::seconds(1);
    wake = self->wait(clock, soon);
  }
  if (self->result_.end == TransferEnd::kAborted && self->sink_status_) {
    self->result_.end = TransferEnd::kStalled;
    self->result_.detail = "the answer took too long";
  }
}

Exchange::Wake Exchange::wait(const base::Clock& clock, base::Clock::Monotonic& deadline) {
  std::optional<base::Clock::Monotonic> resume_at;
  base::MutexLock lock(mutex_);
  for (;;) {
    if (done_) return Wake::kDone;
    const base::Clock::Monotonic now = clock.now();
    if (pause_) {
      if (!resume_at) resume_at = now + *pause_;
      if (*resume_at <= now) {
        deadline += *pause_;
        pause_.reset();
        return Wake::kResume;
      }
    } else if (deadline <= now) {
      return Wake::kDeadline;
    }
    const auto left = resume_at.value_or(deadline) - now;
    changed_.wait_until(mutex_, std::chrono::steady_clock::now() + left);
  }
}

Flow Exchange::on_head(const ResponseHead& head) noexcept {
  try {
    head_ = head;
  } catch (const std::exception&) {
    return Flow::kAbort;
  }
  return Flow::kContinue;
}

Flow Exchange::on_body(std::span<const std::byte> bytes) noexcept {
  try {
    const auto wait = take_ ? take_(bytes.size()) : base::Clock::Duration(0);
    if (wait > base::Clock::Duration(0)) {
      base::MutexLock lock(mutex_);
      pause_ = wait;
      changed_.notify_all();
      return Flow::kPause;
    }
    received_ += bytes.size();
    if (received_ > bounds_.most) {
      sink_status_ =
          base::make_error(base::Code::kBadManifest,
                           "the answer is larger than " + std::to_string(bounds_.most) + " bytes");
      return Flow::kAbort;
    }
    if (!is_success() && others_ == NonSuccessBodies::kDiscard) return Flow::kContinue;
    sink_status_ = sink_(bytes);
    return sink_status_ ? Flow::kContinue : Flow::kAbort;
  } catch (const std::exception&) {
    return Flow::kAbort;
  }
}

void Exchange::on_done(const TransferResult& result) noexcept {
  base::MutexLock lock(mutex_);
  const bool whole = is_success() && bounds_.whole == received_;
  result_.end = whole && result.end == TransferEnd::kReset ? TransferEnd::kComplete : result.end;
  result_.reused_connection = result.reused_connection;
  result_.body_bytes = result.body_bytes;
  try {
    result_.detail = result.detail;
  } catch (const std::exception&) {
    result_.detail.clear();
  }
  done_ = true;
  changed_.notify_all();
}

}  // namespace castool::fetch
