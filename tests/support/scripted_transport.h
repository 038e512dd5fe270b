// A Transport without sockets: a script decides each answer, and every request is recorded.
//
// It keeps the contract of fetch/http.h: callbacks come from one thread of its own, in order, and
// transfers that run at once are interleaved in pieces of 16 KiB, as libcurl does. Safe from any
// thread; the script is called on the transport's thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "fetch/http.h"

namespace castool::testing {

struct Answer {
  int status = 200;  // 0: the transfer ends before a head
  fetch::Headers headers;
  std::string body;
  fetch::TransferEnd end = fetch::TransferEnd::kComplete;  // after the body
  std::string peer_address = "93.184.216.34";
  bool reused_connection = false;
  bool hang = false;  // after the body nothing happens until the transfer is cancelled

  Answer& with(std::string name, std::string value) {
    headers.add(std::move(name), std::move(value));
    return *this;
  }
};

// A plain answer, a redirect, and an end without a head.
[[nodiscard]] Answer answer(int status, std::string body = {});
[[nodiscard]] Answer redirect(int status, std::string location);
[[nodiscard]] Answer broken(fetch::TransferEnd end);

class ScriptedTransport final : public fetch::Transport {
 public:
  using Script = std::function<Answer(const fetch::HttpRequest&)>;

  explicit ScriptedTransport(Script script);
  // Answers in this order, whatever is asked; an empty list answers 500.
  explicit ScriptedTransport(std::vector<Answer> answers);
  ~ScriptedTransport() override;

  fetch::TransferId start(fetch::HttpRequest request,
                          std::shared_ptr<fetch::ResponseListener> listener) override;
  void cancel(fetch::TransferId id) override;
  void resume(fetch::TransferId id) override;

  [[nodiscard]] std::vector<fetch::HttpRequest> requests() const;
  // The most transfers that were under way at one time.
  [[nodiscard]] std::size_t most_at_once() const;

 private:
  struct Transfer {
    fetch::HttpRequest request;
    std::shared_ptr<fetch::ResponseListener> listener;
    std::optional<Answer> answer;
    std::size_t sent = 0;
    bool parked = false;
    bool cancelled = false;
  };

  void run(const std::stop_token& stop);
  // One step of a transfer; how it ended, when it did.
  [[nodiscard]] std::optional<fetch::TransferEnd> advance(Transfer& transfer);
  static void finish(const Transfer& transfer, fetch::TransferEnd end);

  const Script script_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::map<fetch::TransferId, std::shared_ptr<Transfer>> transfers_ CASTOOL_GUARDED_BY(mutex_);
  std::vector<fetch::HttpRequest> requests_ CASTOOL_GUARDED_BY(mutex_);
  std::size_t most_at_once_ CASTOOL_GUARDED_BY(mutex_) = 0;
  fetch::TransferId last_id_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::jthread thread_;
};

// What a well-behaved server answers to a request for a part of `blob`; tests then spoil it.
[[nodiscard]] Answer serve_range(const fetch::HttpRequest& request, const std::string& blob);

}  // namespace castool::testing
