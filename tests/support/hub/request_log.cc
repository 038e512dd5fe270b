#include "tests/support/hub/request_log.h"

#include <nlohmann/json.hpp>

namespace castool::hub {

std::int64_t RequestLog::now_ms() const {
  const auto elapsed = std::chrono::steady_clock::now() - start_;
  return std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
}

std::uint64_t RequestLog::begin(const std::string& origin, std::uint64_t connection,
                                const Request& request) {
  Entry entry;
  entry.origin = origin;
  entry.connection = connection;
  entry.method = request.method;
  entry.target = request.target;
  entry.headers = request.headers;
  entry.began_ms = now_ms();
  const base::MutexLock lock(mutex_);
  entries_.push_back(std::move(entry));
  ++unfinished_;
  if (entries_.size() > kCapacity) {
    if (entries_.front().ended_ms < 0) --unfinished_;
    entries_.pop_front();
    ++first_seq_;
  }
  return first_seq_ + entries_.size() - 1;
}

RequestLog::Entry* RequestLog::find(std::uint64_t seq) {
  // Not there: cleared or dropped meanwhile.
  return seq < first_seq_ ? nullptr : &entries_[seq - first_seq_];
}

void RequestLog::answer(std::uint64_t seq, int status, bool faulted) {
  const base::MutexLock lock(mutex_);
  if (Entry* entry = find(seq)) {
    entry->status = status;
    entry->faulted = faulted;
  }
}

void RequestLog::finish(std::uint64_t seq, std::uint64_t bytes_sent) {
  const std::int64_t ended = now_ms();
  const base::MutexLock lock(mutex_);
  if (Entry* entry = find(seq)) {
    entry->bytes_sent = bytes_sent;
    entry->ended_ms = ended;
    --unfinished_;
    finished_.notify_all();
  }
}

void RequestLog::settle(std::chrono::milliseconds longest) const {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  const base::MutexLock lock(mutex_);
  while (unfinished_ > 0 && finished_.wait_until(mutex_, deadline)) {
  }
}

nlohmann::json RequestLog::to_json() const {
  const base::MutexLock lock(mutex_);
  nlohmann::json list = nlohmann::json::array();
  std::uint64_t seq = first_seq_;
  for (const Entry& entry : entries_) {
    nlohmann::json headers = nlohmann::json::object();
    for (const auto& [name, value] : entry.headers.all()) headers[name] = value;
    list.push_back({{"seq", seq++},
                    {"origin", entry.origin},
                    {"connection", entry.connection},
                    {"method", entry.method},
                    {"target", entry.target},
                    {"range", entry.headers.get("Range")},
                    {"status", entry.status},
                    {"bytes_sent", entry.bytes_sent},
                    {"authorization", entry.headers.find("Authorization") != nullptr},
                    {"faulted", entry.faulted},
                    {"headers", std::move(headers)},
                    {"began_ms", entry.began_ms},
                    {"ended_ms", entry.ended_ms}});
  }
  return list;
}

void RequestLog::clear() {
  const base::MutexLock lock(mutex_);
  first_seq_ += entries_.size();
  entries_.clear();
  unfinished_ = 0;
}

}  // namespace castool::hub
