#include "fetch/exchange.h"

#include <exception>
#include <utility>

namespace castool::fetch {

Exchange::Exchange(BodySink sink, std::uint64_t max_body, NonSuccessBodies others)
    : sink_(std::move(sink)), max_body_(max_body), others_(others) {}

void Exchange::run(const std::shared_ptr<Exchange>& self, Transport& transport, HttpRequest request,
                   const base::Clock& clock, base::Clock::Monotonic deadline,
                   const std::stop_token& stop) {
  const TransferId id = transport.start(std::move(request), self);
  const std::stop_callback cancel(stop, [&] { transport.cancel(id); });
  if (!self->wait_done(clock, deadline)) {
    transport.cancel(id);
    // After cancelling, the end comes from the transport's thread without waiting for the network.
    while (!self->wait_done(clock, clock.now() + std::chrono::seconds(1))) {
    }
    if (self->result_.end == TransferEnd::kAborted && self->sink_status_) {
      self->result_.end = TransferEnd::kStalled;
      self->result_.detail = "the answer took too long";
    }
  }
}

bool Exchange::wait_done(const base::Clock& clock, base::Clock::Monotonic deadline) {
  base::MutexLock lock(mutex_);
  while (!done_) {
    const auto left = deadline - clock.now();
    if (left <= base::Clock::Duration(0)) return false;
    changed_.wait_until(mutex_, std::chrono::steady_clock::now() + left);
  }
  return true;
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
    received_ += bytes.size();
    if (received_ > max_body_) {
      sink_status_ =
          base::make_error(base::Code::kBadManifest,
                           "the answer is larger than " + std::to_string(max_body_) + " bytes");
      return Flow::kAbort;
    }
    const bool success = head_ && head_->status >= 200 && head_->status < 300;
    if (!success && others_ == NonSuccessBodies::kDiscard) return Flow::kContinue;
    sink_status_ = sink_(bytes);
    return sink_status_ ? Flow::kContinue : Flow::kAbort;
  } catch (const std::exception&) {
    return Flow::kAbort;
  }
}

void Exchange::on_done(const TransferResult& result) noexcept {
  base::MutexLock lock(mutex_);
  result_.end = result.end;
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
