// Small requests, whole answers: metadata, trees, manifests, tokens, small files.
//
// Follows redirects by hand (redirect_policy.h decides each hop, credentials are rebuilt per hop
// and go to their own origin only), retries what is worth it (retry_policy.h), waits out rate
// limits, and holds one of the budget's slots while an answer arrives. Blocking; safe from any
// thread; every call ends within its bounds, once it has a slot, or when `stop` is requested.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "fetch/exchange.h"
#include "fetch/host_backoff.h"
#include "fetch/http.h"
#include "fetch/redirect_policy.h"
#include "fetch/transfer_budget.h"
#include "fetch/url.h"

namespace castool::fetch {

// "Authorization: <value>" for requests to exactly `origin` and nowhere else. Never logged.
struct Credential {
  Origin origin;
  std::string value;  // e.g. "Bearer hf_…"; empty: none
};

enum class Redirects {
  kFollow,           // to the end
  kStopCrossOrigin,  // give the 3xx that leaves the origin to the caller (its headers carry
                     // metadata)
  kStop              // give the first 3xx to the caller
};

// When nobody answers at all.
enum class Outage {
  kGiveUp,  // after the attempts, as with any failure
  kWaitOut  // for as long as the client's longest outage: the answer is needed to go on
};

struct FetchOptions {
  Redirects redirects = Redirects::kFollow;
  const Credential* credential = nullptr;
  std::uint64_t max_body = 4u << 20;                       // a larger body is kBadManifest
  std::optional<std::uint64_t> whole_body = std::nullopt;  // BodyBounds
  int attempts = 5;  // tries in all for what is worth retrying
  Outage outage = Outage::kGiveUp;
  std::chrono::nanoseconds longest_wait = std::chrono::minutes(15);  // Retry-After cap
  // Questions are short and hold up everything behind them; content has its pull's class.
  Priority priority = Priority::kDemand;
};

struct HttpResponse {
  ResponseHead head;
  std::string body;
  std::string final_url;          // where the answer came from, after redirects
  std::optional<Hop> stopped_at;  // not followed: where the 3xx leads, absolute, checked
};

class HttpClient {
 public:
  // `backoff` and `budget` are shared by everything that talks to the same hosts; an own backoff
  // when not given, and no bound on connections and bytes without a budget. `longest_outage` is for
  // Outage::kWaitOut.
  HttpClient(Transport& transport, base::Clock& clock, base::Log& log,
             std::shared_ptr<HostBackoff> backoff = nullptr,
             std::shared_ptr<TransferBudget> budget = nullptr,
             std::chrono::nanoseconds longest_outage = std::chrono::nanoseconds(0));
  ~HttpClient();

  // Any answer with a status below 500 and not 408 or 429 is a response, whatever it says (one that
  // another host gave after a redirect, and that refuses, is asked for twice, from the start);
  // transport failures and what remains after the retries are errors: kUnavailable, kRateLimited,
  // kCancelled, kUnauthorized (proxy 407), kUsage (an URL that is none). Errors name the redacted
  // URL.
  [[nodiscard]] base::Result<HttpResponse> fetch(const HttpRequest& request,
                                                 const FetchOptions& options, std::stop_token stop);

  // The same with the body given to `sink` as it arrives (redirect bodies and non-2xx bodies are
  // not). `restart` is called before each attempt, so the receiver can begin again; `sink` is
  // called on the transport's thread, and its error ends the call at once.
  using BodySink = std::function<base::Status(std::span<const std::byte>)>;
  [[nodiscard]] base::Result<HttpResponse> fetch_to(const HttpRequest& request,
                                                    const FetchOptions& options,
                                                    const std::function<base::Status()>& restart,
                                                    const BodySink& sink, std::stop_token stop);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace castool::fetch
