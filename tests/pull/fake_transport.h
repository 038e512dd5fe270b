// A Transport without sockets: a function answers each request, a thread delivers the answers.
//
// Bodies arrive in pieces, honour kPause and kAbort, may break off after a number of bytes or never
// end. Every request is kept for the test to look at. Safe from any thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "fetch/http.h"

namespace castool::pull {

struct FakeAnswer {
  int status = 200;
  fetch::Headers headers;
  std::string body;
  // Ends the transfer like this after so many bytes of the body.
  std::optional<std::uint64_t> breaks_after;
  fetch::TransferEnd breaks_with = fetch::TransferEnd::kReset;
  // Sends no more after so many bytes of the body; only cancel() ends it then.
  std::optional<std::uint64_t> hangs_after;
};

class FakeTransport final : public fetch::Transport {
 public:
  // Called on the transport's thread.
  using Answer = std::function<FakeAnswer(const fetch::HttpRequest&)>;

  explicit FakeTransport(Answer answer);
  ~FakeTransport() override;

  fetch::TransferId start(fetch::HttpRequest request,
                          std::shared_ptr<fetch::ResponseListener> listener) override;
  void cancel(fetch::TransferId id) override;
  void resume(fetch::TransferId id) override;

  [[nodiscard]] std::vector<fetch::HttpRequest> requests() const CASTOOL_EXCLUDES(mutex_);
  // Those whose answer was taken to its end.
  [[nodiscard]] std::vector<fetch::HttpRequest> completed() const CASTOOL_EXCLUDES(mutex_);

 private:
  struct Transfer {
    fetch::HttpRequest request;
    std::shared_ptr<fetch::ResponseListener> listener;
    std::optional<FakeAnswer> answer;  // once the head was delivered
    std::uint64_t sent = 0;
    bool paused = false;
    bool cancelled = false;
  };

  void run(const std::stop_token& stop);
  [[nodiscard]] std::optional<fetch::TransferId> next_ready() CASTOOL_REQUIRES(mutex_);
  // One piece of one transfer; the result when it has ended.
  [[nodiscard]] std::optional<fetch::TransferResult> step(Transfer& transfer);

  const Answer answer_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::map<fetch::TransferId, std::shared_ptr<Transfer>> transfers_ CASTOOL_GUARDED_BY(mutex_);
  std::vector<fetch::HttpRequest> requests_ CASTOOL_GUARDED_BY(mutex_);
  std::vector<fetch::HttpRequest> completed_ CASTOOL_GUARDED_BY(mutex_);
  fetch::TransferId last_id_ CASTOOL_GUARDED_BY(mutex_) = 0;
  fetch::TransferId last_stepped_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::jthread thread_;
};

}  // namespace castool::pull
