#include "fetch/curl_transport.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <curl/curl.h>

#include "base/mutex.h"
#include "base/thread.h"
#include "fetch/curl_transfer.h"
#include "fetch/url.h"

namespace castool::fetch {
namespace {

using base::Clock;

constexpr long kIdleConnections = 64;
constexpr std::chrono::milliseconds kLongestPoll{1000};

// The variables that libcurl takes proxies from. With one of them set the peer may be the proxy,
// and only libcurl knows for which hosts.
Proxied proxied_by_environment() {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return Proxied::kMaybe;
  }
  return Proxied::kNo;
}

struct MultiCleanup {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};

class CurlTransport final : public Transport {
 public:
  CurlTransport(CurlConfig config, Clock& clock, base::Log& log)
      : config_(std::move(config)),
        proxied_(proxied_by_environment()),
        clock_(clock),
        log_(log),
        multi_((curl_global_init(CURL_GLOBAL_DEFAULT), curl_multi_init())) {
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kIdleConnections);
  }
  // Before anything else.
  [[nodiscard]] base::Status begin() {
    CASTOOL_ASSIGN(loop_, base::begin_thread([this](const std::stop_token& stop) { run(stop); }));
    return base::ok();
  }

  ~CurlTransport() override {
    loop_.request_stop();
    curl_multi_wakeup(multi_.get());
  }

  TransferId start(HttpRequest request, std::shared_ptr<ResponseListener> listener) override {
    TransferId id = 0;
    {
      base::MutexLock lock(mutex_);
      id = ++last_id_;
      commands_.emplace_back(Start{id, std::move(request), std::move(listener)});
    }
    curl_multi_wakeup(multi_.get());
    return id;
  }

  void cancel(TransferId id) override { post(Cancel{id}); }
  void resume(TransferId id) override { post(Resume{id}); }

 private:
  struct Start {
    TransferId id;
    HttpRequest request;
    std::shared_ptr<ResponseListener> listener;
  };
  struct Cancel {
    TransferId id;
  };
  struct Resume {
    TransferId id;
  };
  using Command = std::variant<Start, Cancel, Resume>;
  using Transfers = std::map<TransferId, std::unique_ptr<CurlTransfer>>;

  void post(Command command) {
    {
      base::MutexLock lock(mutex_);
      commands_.push_back(std::move(command));
    }
    curl_multi_wakeup(multi_.get());
  }

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      take_commands();
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      finish_ended();
      const auto wait = finish_stalled();
      curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
    take_commands();
    while (!transfers_.empty()) {
      finish(transfers_.begin(), TransferEnd::kAborted, "shutting down");
    }
  }

  void take_commands() {
    std::vector<Command> commands;
    {
      base::MutexLock lock(mutex_);
      commands.swap(commands_);
    }
    for (Command& command : commands) {
      std::visit([this](auto& each) { apply(each); }, command);
    }
  }

  void apply(Start& start) {
    auto transfer =
        std::make_unique<CurlTransfer>(start.id, std::move(start.request),
                                       std::move(start.listener), config_, proxied_, dead_, clock_);
    CURL* handle = transfer->handle();
    const auto place = transfers_.emplace(start.id, std::move(transfer)).first;
    if (handle == nullptr || curl_multi_add_handle(multi_.get(), handle) != CURLM_OK) {
      finish(place, TransferEnd::kConnect, "out of memory");
    }
  }

  void apply(const Cancel& cancel) {
    const auto place = transfers_.find(cancel.id);
    if (place != transfers_.end()) finish(place, TransferEnd::kAborted, {});
  }

  void apply(const Resume& resume) {
    const auto place = transfers_.find(resume.id);
    if (place != transfers_.end() && !place->second->resume()) {
      finish(place, TransferEnd::kReset, "could not continue");
    }
  }

  void finish_ended() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* self = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &self);
      const CURLcode code = message->data.result;
      // Taking the handle out of the multi invalidates the message.
      const auto place = transfers_.find(reinterpret_cast<CurlTransfer*>(self)->id());
      if (place->second->takes_back_addresses(code) && begin_again(*place->second)) continue;
      const auto transfer = take_out(place);
      transfer->finish_with_code(code);
      if (code != CURLE_OK)
        log_.debug("{}: {}", redacted(transfer->url()), curl_easy_strerror(code));
    }
  }

  bool begin_again(const CurlTransfer& transfer) {
    curl_multi_remove_handle(multi_.get(), transfer.handle());
    return curl_multi_add_handle(multi_.get(), transfer.handle()) == CURLM_OK;
  }

  // Ends what has stalled; returns how long the loop may sleep.
  std::chrono::milliseconds finish_stalled() {
    const Clock::Monotonic now = clock_.now();
    Clock::Duration wait = kLongestPoll;
    for (auto place = transfers_.begin(); place != transfers_.end();) {
      const auto current = place++;
      const auto deadline = current->second->stall_deadline();
      if (!deadline) continue;
      if (*deadline <= now) {
        finish(current, TransferEnd::kStalled, "nothing arrived in time");
      } else {
        wait = std::min<Clock::Duration>(wait, *deadline - now);
      }
    }
    return std::chrono::ceil<std::chrono::milliseconds>(wait);
  }

  std::unique_ptr<CurlTransfer> take_out(Transfers::iterator place) {
    auto transfer = std::move(place->second);
    transfers_.erase(place);
    if (transfer->handle() != nullptr) {
      curl_multi_remove_handle(multi_.get(), transfer->handle());
    }
    return transfer;
  }

  void finish(Transfers::iterator place, TransferEnd end, std::string detail) {
    const auto transfer = take_out(place);
    log_.debug("{}: ended: {}", redacted(transfer->url()), detail);
    transfer->finish(end, std::move(detail));
  }

  const CurlConfig config_;
  const Proxied proxied_;
  Clock& clock_;
  base::Log& log_;
  const std::unique_ptr<CURLM, MultiCleanup> multi_;
  // The loop thread's own.
  DeadAddresses dead_{clock_};
  Transfers transfers_;

  base::Mutex mutex_;
  TransferId last_id_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::vector<Command> commands_ CASTOOL_GUARDED_BY(mutex_);

  std::jthread loop_;  // last: its thread uses everything above
};

}  // namespace

base::Result<std::unique_ptr<Transport>> make_curl_transport(CurlConfig config, base::Clock& clock,
                                                             base::Log& log) {
  auto transport = std::make_unique<CurlTransport>(std::move(config), clock, log);
  CASTOOL_RETURN_IF_ERROR(transport->begin());
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace castool::fetch
