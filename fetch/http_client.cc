#include "fetch/http_client.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/mutex.h"
#include "fetch/exchange.h"
#include "fetch/retry_policy.h"
#include "fetch/stoppable_wait.h"
#include "fetch/wait_hints.h"

namespace castool::fetch {
namespace {

using base::Clock;
using base::Code;
using base::Error;
using base::Result;

// Slower than this for a whole answer counts as a stall, or one byte in 29 s would hold us forever.
constexpr std::uint64_t kSlowestBytesPerSecond = 16 * 1024;
constexpr std::uint64_t kLongestAnswerSeconds = 24 * 3600;

Error about(Error error, std::string_view url) {
  if (error.url.empty()) error.url = redacted(url);
  return error;
}

Error cancelled(std::string_view url) {
  return about(base::make_error(Code::kCancelled, "interrupted"), url);
}

// Rows 23 and 27: the origin sent us to another host, which refuses; the origin may know better
// now.
bool is_refused_elsewhere(const HttpRequest& request, const HttpResponse& response) {
  if (!is_refused_address(response.head.status)) return false;
  const auto asked = origin_of(request.url);
  const auto answered = origin_of(response.final_url);
  return asked && answered && !(*asked == *answered);
}

bool is_encoded(const ResponseHead& head) {
  const auto encoding = head.headers.get("Content-Encoding");
  return encoding && !encoding->empty() && *encoding != "identity";
}

}  // namespace

struct HttpClient::State {
  // One call's arguments, for the steps below.
  struct Call {
    const HttpRequest& request;
    const FetchOptions& options;
    const std::function<base::Status()>& restart;
    const BodySink& sink;
    Exchange::NonSuccessBodies others;
    const std::stop_token& stop;
  };
  // An answer, or why there is none and whether it may be tried again.
  struct Attempt {
    std::optional<HttpResponse> response;
    std::optional<Error> final_error;
    Outcome outcome;
    std::string detail;
    std::string url;
    TransferBudget::Grant grant = 0;
  };

  State(Transport& the_transport, Clock& the_clock, base::Log& the_log,
        std::shared_ptr<HostBackoff> the_backoff, std::shared_ptr<TransferBudget> the_budget,
        Clock::Duration the_longest_outage)
      : transport(the_transport),
        clock(the_clock),
        log(the_log),
        backoff(the_backoff ? std::move(the_backoff) : std::make_shared<HostBackoff>()),
        budget(std::move(the_budget)),
        longest_outage(the_longest_outage) {}

  Result<HttpResponse> fetch(const Call& call);
  Attempt attempt(const Call& call);
  Attempt follow(const Call& call, Hop hop, Headers headers);
  std::shared_ptr<Exchange> send(const Call& call, HttpRequest request);
  base::Status await_turn(const Call& call, const std::string& url, const Origin& origin,
                          std::optional<HeldSlot>& slot);
  HttpRequest request_for(const Call& call, const Hop& hop, const Headers& headers,
                          const Origin& origin) const;
  Clock::Monotonic deadline_for(const Call& call) const;
  double jitter() {
    base::MutexLock lock(random_mutex);
    return std::uniform_real_distribution<double>()(random);
  }

  Transport& transport;
  Clock& clock;
  base::Log& log;
  const std::shared_ptr<HostBackoff> backoff;
  const std::shared_ptr<TransferBudget> budget;
  const Clock::Duration longest_outage;
  base::Mutex random_mutex;
  std::minstd_rand random CASTOOL_GUARDED_BY(random_mutex){std::random_device()()};
};

HttpClient::HttpClient(Transport& transport, Clock& clock, base::Log& log,
                       std::shared_ptr<HostBackoff> backoff, std::shared_ptr<TransferBudget> budget,
                       std::chrono::nanoseconds longest_outage)
    : state_(std::make_unique<State>(transport, clock, log, std::move(backoff), std::move(budget),
                                     longest_outage)) {}
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::fetch(const HttpRequest& request, const FetchOptions& options,
                                       std::stop_token stop) {
  std::string body;
  const auto restart = [&body]() -> base::Status {
    body.clear();
    return base::ok();
  };
  const auto sink = [&body](std::span<const std::byte> bytes) -> base::Status {
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return base::ok();
  };
  CASTOOL_ASSIGN(HttpResponse response, state_->fetch({request, options, restart, sink,
                                                       Exchange::NonSuccessBodies::kKeep, stop}));
  response.body = std::move(body);
  return response;
}

Result<HttpResponse> HttpClient::fetch_to(const HttpRequest& request, const FetchOptions& options,
                                          const std::function<base::Status()>& restart,
                                          const BodySink& sink, std::stop_token stop) {
  return state_->fetch(
      {request, options, restart, sink, Exchange::NonSuccessBodies::kDiscard, stop});
}

Result<HttpResponse> HttpClient::State::fetch(const Call& call) {
  CASTOOL_RETURN_IF_ERROR(origin_of(call.request.url));
  std::optional<Clock::Monotonic> outage_ends;
  int refusals = 0;
  for (int failures = 1;;) {
    if (call.stop.stop_requested()) return cancelled(call.request.url);
    Attempt tried = attempt(call);
    if (tried.response) {
      if (!is_refused_elsewhere(call.request, *tried.response)) return *std::move(tried.response);
      const Decision again =
          after_refusal_elsewhere(tried.response->head.status, ++refusals, jitter());
      if (again.step == Step::kGiveUp) return *std::move(tried.response);
      const auto until = clock.now() + clock.scaled(again.wait);
      if (!wait_until(clock, until, call.stop)) return cancelled(tried.url);
      continue;
    }
    if (tried.final_error) return about(*std::move(tried.final_error), call.request.url);
    if (call.stop.stop_requested()) return cancelled(tried.url);
    // Row 59: a link that is down comes back. Time spent on waiting for a slot is none without it.
    if (!outage_ends) outage_ends = clock.now() + clock.scaled(longest_outage);
    const bool waits_out = call.options.outage == Outage::kWaitOut && tried.outcome.status == 0 &&
                           clock.now() < *outage_ends;
    const int attempts = waits_out ? failures + 1 : call.options.attempts;
    const Decision decision = after_failed_request(tried.outcome, failures, attempts,
                                                   call.options.longest_wait, jitter());
    const std::string why = describe(tried.outcome, tried.detail);
    if (decision.step == Step::kGiveUp) {
      return about(base::make_error(decision.code, why, hint_for(tried.outcome, clock.wall_now())),
                   tried.url);
    }
    if (budget && pushes_back(tried.outcome)) budget->push_back(tried.grant);
    const auto until = clock.now() + clock.scaled(decision.wait);
    if (tried.outcome.status != 0) {
      if (const auto origin = origin_of(tried.url)) backoff->defer(*origin, until);
    }
    log.info("{}: {}; trying again in {} ms", redacted(tried.url), why,
             std::chrono::duration_cast<std::chrono::milliseconds>(decision.wait).count());
    if (!wait_until(clock, until, call.stop)) return cancelled(tried.url);
    ++failures;
  }
}

HttpClient::State::Attempt HttpClient::State::attempt(const Call& call) {
  if (auto begun = call.restart(); !begun) {
    Attempt failed;
    failed.final_error = std::move(begun).error();
    return failed;
  }
  return follow(call, Hop{call.request.url, call.request.reach}, call.request.headers);
}

// Requests `hop` and what it redirects to.
HttpClient::State::Attempt HttpClient::State::follow(const Call& call, Hop hop, Headers headers) {
  // Kept from one address to the next: a signed one may have expired when there is another slot.
  std::optional<HeldSlot> slot;
  for (int hops = 0;; ++hops) {
    Attempt tried;
    tried.url = hop.url;
    const auto give_up = [&tried](Error error) {
      tried.final_error = std::move(error);
      return tried;
    };
    auto origin = origin_of(hop.url);
    if (!origin) return give_up(std::move(origin).error());
    if (auto turn = await_turn(call, hop.url, *origin, slot); !turn) {
      return give_up(std::move(turn).error());
    }
    if (slot) tried.grant = *slot->grant();
    const auto exchange = send(call, request_for(call, hop, headers, *origin));
    if (!exchange->sink_status()) return give_up(about(exchange->sink_status().error(), hop.url));
    const TransferResult& result = exchange->result();
    tried.outcome.end = result.end;
    tried.outcome.reused_connection = result.reused_connection;
    tried.detail = result.detail;
    if (exchange->head()) {
      tried.outcome.status = exchange->head()->status;
      tried.outcome.hint = wait_hint(exchange->head()->headers, clock.wall_now());
    }
    if (result.end != TransferEnd::kComplete || !exchange->head() ||
        !is_final_status(tried.outcome.status)) {
      return tried;
    }
    const ResponseHead& head = *exchange->head();
    if (is_encoded(head)) {
      tried.outcome.end = TransferEnd::kProtocol;
      tried.detail = "compressed although not asked for";
      return tried;
    }
    HttpResponse response{head, {}, hop.url, std::nullopt};
    if (is_redirect(head.status)) {
      auto next = next_hop(hop, head, hops);
      if (!next) return give_up(std::move(next).error());
      const auto target = origin_of(next->url);
      const bool leaves = !target || !(*target == *origin);
      if (call.options.redirects == Redirects::kFollow ||
          (call.options.redirects == Redirects::kStopCrossOrigin && !leaves)) {
        if (leaves) headers = without_credentials(headers);
        hop = *std::move(next);
        // The body of a redirect may have reached the receiver.
        if (auto begun = call.restart(); !begun) return give_up(std::move(begun).error());
        continue;
      }
      response.stopped_at = *std::move(next);
    }
    tried.response = std::move(response);
    return tried;
  }
}

// One exchange, at the budget's rate.
std::shared_ptr<Exchange> HttpClient::State::send(const Call& call, HttpRequest request) {
  Exchange::TakeTokens take;
  if (budget) {
    take = [this, priority = call.options.priority](std::uint64_t bytes) {
      return budget->take_tokens(bytes, priority);
    };
  }
  const BodyBounds bounds{call.options.max_body, call.options.whole_body};
  auto exchange = std::make_shared<Exchange>(call.sink, bounds, call.others, std::move(take));
  Exchange::run(exchange, transport, std::move(request), clock, deadline_for(call), call.stop);
  return exchange;
}

// Waits until the origin's own wish to be left alone is over, and for a slot if none is held.
base::Status HttpClient::State::await_turn(const Call& call, const std::string& url,
                                           const Origin& origin, std::optional<HeldSlot>& slot) {
  const Clock::Monotonic free_at = backoff->free_at(origin);
  const Clock::Monotonic now = clock.now();
  if (free_at > now) {
    if (free_at - now > clock.scaled(call.options.longest_wait)) {
      return about(base::make_error(Code::kRateLimited, "the host asks for a longer pause",
                                    "wait some minutes and run it again"),
                   url);
    }
    slot.reset();  // or others would wait for this host, too
    if (!wait_until(clock, free_at, call.stop)) return cancelled(url);
  }
  if (budget && !slot) slot.emplace(*budget, call.options.priority, call.stop);
  if (slot && !slot->grant()) return cancelled(url);
  return base::ok();
}

HttpRequest HttpClient::State::request_for(const Call& call, const Hop& hop, const Headers& headers,
                                           const Origin& origin) const {
  HttpRequest request = call.request;
  request.url = hop.url;
  request.reach = hop.reach;
  request.headers = headers;
  const Credential* credential = call.options.credential;
  if (credential != nullptr && !credential->value.empty() && credential->origin == origin) {
    request.headers.add("Authorization", credential->value);
  }
  return request;
}

Clock::Monotonic HttpClient::State::deadline_for(const Call& call) const {
  const std::uint64_t seconds =
      std::min(call.options.max_body / kSlowestBytesPerSecond, kLongestAnswerSeconds);
  const auto body = std::chrono::seconds(static_cast<std::int64_t>(seconds));
  return clock.now() + clock.scaled(2 * call.request.stall_timeout + body);
}

}  // namespace castool::fetch
