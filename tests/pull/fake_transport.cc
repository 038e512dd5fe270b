#include "tests/pull/fake_transport.h"

#include <algorithm>
#include <chrono>
#include <span>

namespace castool::pull {
namespace {

constexpr std::size_t kPiece = 48u << 10;

}  // namespace

FakeTransport::FakeTransport(Answer answer)
    : answer_(std::move(answer)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

FakeTransport::~FakeTransport() {
  thread_.request_stop();
  changed_.notify_all();
}

fetch::TransferId FakeTransport::start(fetch::HttpRequest request,
                                       std::shared_ptr<fetch::ResponseListener> listener) {
  fetch::TransferId id = 0;
  {
    const base::MutexLock lock(mutex_);
    id = ++last_id_;
    requests_.push_back(request);
    auto transfer = std::make_shared<Transfer>();
    transfer->request = std::move(request);
    transfer->listener = std::move(listener);
    transfers_[id] = std::move(transfer);
  }
  changed_.notify_all();
  return id;
}

void FakeTransport::cancel(fetch::TransferId id) {
  {
    const base::MutexLock lock(mutex_);
    const auto found = transfers_.find(id);
    if (found == transfers_.end()) return;
    found->second->cancelled = true;
  }
  changed_.notify_all();
}

void FakeTransport::resume(fetch::TransferId id) {
  {
    const base::MutexLock lock(mutex_);
    const auto found = transfers_.find(id);
    if (found == transfers_.end()) return;
    found->second->paused = false;
  }
  changed_.notify_all();
}

std::vector<fetch::HttpRequest> FakeTransport::requests() const {
  const base::MutexLock lock(mutex_);
  return requests_;
}

std::vector<fetch::HttpRequest> FakeTransport::completed() const {
  const base::MutexLock lock(mutex_);
  return completed_;
}

// Round robin, so that transfers really overlap.
std::optional<fetch::TransferId> FakeTransport::next_ready() {
  const auto ready = [](const auto& entry) {
    const Transfer& transfer = *entry.second;
    const bool hangs = transfer.answer && transfer.answer->hangs_after &&
                       transfer.sent >= *transfer.answer->hangs_after;
    const bool waits = transfer.paused || hangs;
    return transfer.cancelled || !waits;
  };
  auto found = std::find_if(transfers_.upper_bound(last_stepped_), transfers_.end(), ready);
  if (found == transfers_.end()) found = std::find_if(transfers_.begin(), transfers_.end(), ready);
  if (found == transfers_.end()) return std::nullopt;
  last_stepped_ = found->first;
  return found->first;
}

void FakeTransport::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::shared_ptr<Transfer> transfer;
    fetch::TransferId id = 0;
    bool cancelled = false;
    {
      const base::MutexLock lock(mutex_);
      const auto ready = next_ready();
      if (!ready) {
        changed_.wait_until(mutex_,
                            std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
        continue;
      }
      id = *ready;
      transfer = transfers_[id];
      cancelled = transfer->cancelled;
    }
    auto end = cancelled ? std::optional<fetch::TransferResult>(
                               {fetch::TransferEnd::kAborted, "", false, transfer->sent})
                         : step(*transfer);
    if (!end) continue;
    {
      const base::MutexLock lock(mutex_);
      transfers_.erase(id);
      if (end->end == fetch::TransferEnd::kComplete) completed_.push_back(transfer->request);
    }
    transfer->listener->on_done(*end);
  }
}

std::optional<fetch::TransferResult> FakeTransport::step(Transfer& transfer) {
  using fetch::Flow;
  using fetch::TransferEnd;
  const auto ended = [&](TransferEnd end) {
    return fetch::TransferResult{end, "", true, transfer.sent};
  };
  if (!transfer.answer) {
    FakeAnswer answer = answer_(transfer.request);
    fetch::ResponseHead head;
    head.status = answer.status;
    head.headers = answer.headers;
    if (!head.headers.get("Content-Length")) {
      head.headers.add("Content-Length", std::to_string(answer.body.size()));
    }
    if (transfer.request.method == fetch::Method::kHead) answer.body.clear();
    const Flow flow = transfer.listener->on_head(head);
    {
      const base::MutexLock lock(mutex_);
      transfer.answer = std::move(answer);
    }
    if (flow == Flow::kAbort) return ended(TransferEnd::kAborted);
    return std::nullopt;
  }
  const FakeAnswer& answer = *transfer.answer;
  if (answer.breaks_after && transfer.sent >= *answer.breaks_after)
    return ended(answer.breaks_with);
  const std::uint64_t end = answer.breaks_after
                                ? std::min<std::uint64_t>(*answer.breaks_after, answer.body.size())
                                : answer.body.size();
  if (transfer.sent >= end) return ended(TransferEnd::kComplete);
  const auto piece =
      std::string_view(answer.body)
          .substr(transfer.sent, std::min<std::uint64_t>(kPiece, end - transfer.sent));
  switch (transfer.listener->on_body(std::as_bytes(std::span(piece)))) {
    case Flow::kContinue: transfer.sent += piece.size(); return std::nullopt;
    case Flow::kAbort: return ended(TransferEnd::kAborted);
    case Flow::kPause: break;
  }
  const base::MutexLock lock(mutex_);
  transfer.paused = true;
  return std::nullopt;
}

}  // namespace castool::pull
