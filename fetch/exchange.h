// One request and its answer, waited for: the bridge from the transport's callbacks to a thread
// that blocks. Made per request; used by one waiting thread and the transport's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "fetch/http.h"

namespace castool::fetch {

// What is known of a body before it comes.
struct BodyBounds {
  std::uint64_t most = 0;  // a larger one ends the exchange with kBadManifest
  // Of a 2xx answer. With so many bytes it is complete, also where nothing but the end of the
  // connection says so and TLS was not ended in its own way: whoever knows the length knows a
  // digest.
  std::optional<std::uint64_t> whole = std::nullopt;
};

class Exchange final : public ResponseListener {
 public:
  using BodySink = std::function<base::Status(std::span<const std::byte>)>;

  // What becomes of the bodies of answers that are not 2xx.
  enum class NonSuccessBodies { kKeep, kDiscard };

  // Zero when so many bytes may be taken now, else how long to wait: the rate limit.
  using TakeTokens = std::function<base::Clock::Duration(std::uint64_t bytes)>;

  // Bodies go to `sink`, called on the transport's thread. `take` may be empty.
  Exchange(BodySink sink, BodyBounds bounds, NonSuccessBodies others, TakeTokens take);

  // Sends and waits for the end: at most until `deadline`, not counting what the rate limit held
  // back, and little longer than a stop request.
  static void run(const std::shared_ptr<Exchange>& self, Transport& transport, HttpRequest request,
                  const base::Clock& clock, base::Clock::Monotonic deadline,
                  const std::stop_token& stop);

  // After run().
  [[nodiscard]] const std::optional<ResponseHead>& head() const { return head_; }
  [[nodiscard]] const TransferResult& result() const { return result_; }
  [[nodiscard]] const base::Status& sink_status() const { return sink_status_; }

  Flow on_head(const ResponseHead& head) noexcept override;
  Flow on_body(std::span<const std::byte> bytes) noexcept override;
  void on_done(const TransferResult& result) noexcept override;

 private:
  enum class Wake { kDone, kResume, kDeadline };
  // Waits for the end, for the end of a pause, which moves `deadline`, or until `deadline`.
  Wake wait(const base::Clock& clock, base::Clock::Monotonic& deadline);
  [[nodiscard]] bool is_success() const;

  const BodySink sink_;
  const BodyBounds bounds_;
  const NonSuccessBodies others_;
  const TakeTokens take_;
  // The transport's until on_done, the waiter's after.
  std::optional<ResponseHead> head_;
  TransferResult result_;
  base::Status sink_status_;
  std::uint64_t received_ = 0;

  base::Mutex mutex_;
  base::CondVar changed_;
  bool done_ CASTOOL_GUARDED_BY(mutex_) = false;
  // Since the listener answered kPause: for how long.
  std::optional<base::Clock::Duration> pause_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fetch
