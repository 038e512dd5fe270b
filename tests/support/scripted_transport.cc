#include "tests/support/scripted_transport.h"

#include <algorithm>
#include <span>
#include <utility>

namespace castool::testing {
namespace {

using base::MutexLock;
using fetch::Flow;
using fetch::TransferEnd;

constexpr std::size_t kPiece = 16 * 1024;

ScriptedTransport::Script in_order(std::vector<Answer> answers) {
  auto left = std::make_shared<std::vector<Answer>>(std::move(answers));
  return [left](const fetch::HttpRequest&) {
    if (left->empty()) return answer(500, "the script is at its end");
    Answer next = std::move(left->front());
    left->erase(left->begin());
    return next;
  };
}

}  // namespace

Answer answer(int status, std::string body) {
  Answer made;
  made.status = status;
  made.body = std::move(body);
  return made;
}

Answer redirect(int status, std::string location) {
  return answer(status, "moved").with("Location", std::move(location));
}

Answer broken(TransferEnd end) {
  Answer made = answer(0);
  made.end = end;
  return made;
}

Answer serve_range(const fetch::HttpRequest& request, const std::string& blob) {
  if (!request.range) return answer(200, blob).with("Content-Length", std::to_string(blob.size()));
  const auto [offset, length] = *request.range;
  if (offset >= blob.size()) return answer(416);
  const std::uint64_t end = std::min<std::uint64_t>(offset + length, blob.size());
  return answer(206, blob.substr(offset, end - offset))
      .with("Content-Range", "bytes " + std::to_string(offset) + "-" + std::to_string(end - 1) +
                                 "/" + std::to_string(blob.size()));
}

ScriptedTransport::ScriptedTransport(Script script)
    : script_(std::move(script)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

ScriptedTransport::ScriptedTransport(std::vector<Answer> answers)
    : ScriptedTransport(in_order(std::move(answers))) {}

ScriptedTransport::~ScriptedTransport() {
  thread_.request_stop();
  const MutexLock lock(mutex_);
  changed_.notify_all();
}

fetch::TransferId ScriptedTransport::start(fetch::HttpRequest request,
                                           std::shared_ptr<fetch::ResponseListener> listener) {
  const MutexLock lock(mutex_);
  requests_.push_back(request);
  auto transfer = std::make_shared<Transfer>();
  transfer->request = std::move(request);
  transfer->listener = std::move(listener);
  transfers_.emplace(++last_id_, std::move(transfer));
  most_at_once_ = std::max(most_at_once_, transfers_.size());
  changed_.notify_all();
  return last_id_;
}

void ScriptedTransport::cancel(fetch::TransferId id) {
  const MutexLock lock(mutex_);
  const auto place = transfers_.find(id);
  if (place != transfers_.end()) place->second->cancelled = true;
  changed_.notify_all();
}

void ScriptedTransport::resume(fetch::TransferId id) {
  const MutexLock lock(mutex_);
  const auto place = transfers_.find(id);
  if (place != transfers_.end()) place->second->parked = false;
  changed_.notify_all();
}

std::vector<fetch::HttpRequest> ScriptedTransport::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

std::size_t ScriptedTransport::most_at_once() const {
  const MutexLock lock(mutex_);
  return most_at_once_;
}

void ScriptedTransport::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<std::pair<fetch::TransferId, std::shared_ptr<Transfer>>> ready;
    {
      const MutexLock lock(mutex_);
      for (const auto& [id, transfer] : transfers_) {
        if (!transfer->parked || transfer->cancelled) ready.emplace_back(id, transfer);
      }
      if (ready.empty()) {
        changed_.wait_until(mutex_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
        continue;
      }
    }
    for (const auto& [id, transfer] : ready) {
      const auto end = advance(*transfer);
      if (!end) continue;
      {
        // Gone before the listener hears of it, which may start the next one.
        const MutexLock lock(mutex_);
        transfers_.erase(id);
      }
      finish(*transfer, *end);
    }
  }
  std::map<fetch::TransferId, std::shared_ptr<Transfer>> left;
  {
    const MutexLock lock(mutex_);
    left.swap(transfers_);
  }
  for (const auto& [id, transfer] : left) finish(*transfer, TransferEnd::kAborted);
}

std::optional<TransferEnd> ScriptedTransport::advance(Transfer& transfer) {
  {
    const MutexLock lock(mutex_);
    if (transfer.cancelled) return TransferEnd::kAborted;
  }
  if (!transfer.answer) {
    transfer.answer = script_(transfer.request);
    const Answer& made = *transfer.answer;
    if (made.status == 0 && !made.hang) return made.end;
    if (made.status != 0 && transfer.listener->on_head(
                                {made.status, made.headers, made.peer_address}) == Flow::kAbort) {
      return TransferEnd::kAborted;
    }
    return std::nullopt;
  }
  const Answer& made = *transfer.answer;
  if (transfer.sent == made.body.size() && !made.hang) return made.end;
  {
    // Before the listener is asked: its wish to go on may come before its answer is back here.
    const MutexLock lock(mutex_);
    transfer.parked = true;
  }
  if (transfer.sent == made.body.size()) return std::nullopt;
  const std::size_t size = std::min(kPiece, made.body.size() - transfer.sent);
  const auto piece = std::as_bytes(std::span(made.body)).subspan(transfer.sent, size);
  const Flow flow = transfer.listener->on_body(piece);
  if (flow == Flow::kAbort) return TransferEnd::kAborted;
  if (flow == Flow::kPause) return std::nullopt;
  transfer.sent += size;
  const MutexLock lock(mutex_);
  transfer.parked = false;
  return std::nullopt;
}

void ScriptedTransport::finish(const Transfer& transfer, TransferEnd end) {
  fetch::TransferResult result;
  result.end = end;
  result.body_bytes = transfer.sent;
  if (transfer.answer) result.reused_connection = transfer.answer->reused_connection;
  if (end != TransferEnd::kComplete) result.detail = "scripted";
  transfer.listener->on_done(result);
}

}  // namespace castool::testing
