#include "fetch/retry_policy.h"

#include <algorithm>

#include <fmt/chrono.h>

namespace castool::fetch {
namespace {

using base::Code;
using std::chrono::nanoseconds;

// Rows 22-24, 27, 2-3 and 46 of the fault catalogue.
constexpr int kUnauthorizedLimit = 2;
constexpr int kForbiddenLimit = 4;  // the same range, a smaller one, the whole
constexpr int kNotFoundLimit = 2;
constexpr int kBadSizeLimit = 2;
constexpr int kWrongAnswerLimit = 2;
constexpr int kDeadNameLimit = 3;
constexpr int kGarbageLimit = 5;
constexpr int kOldAddressLimit = 2;  // of a small request, but for 403

Decision give_up(Code code) { return {Step::kGiveUp, {}, code}; }

Decision retry(nanoseconds wait, Code code = Code::kUnavailable) {
  return {Step::kRetry, wait, code};
}

// What an origin's wish to wait means: exactly that long, or not at all.
Decision wait_as_told(const Outcome& outcome, int failures, nanoseconds longest_wait,
                      double jitter) {
  const Code code = outcome.status == 429 ? Code::kRateLimited : Code::kUnavailable;
  if (!outcome.hint) return retry(backoff(failures, jitter), code);
  if (*outcome.hint > longest_wait) return give_up(code);
  return retry(std::max(*outcome.hint, backoff(1, jitter)), code);
}

// A kept-alive connection that the server closed just when we used it says nothing about the
// server.
bool is_keep_alive_race(const Outcome& outcome) {
  return outcome.end == TransferEnd::kReset && outcome.reused_connection && outcome.status == 0;
}

Decision after_transport_failure(const Outcome& outcome, TransferHistory& history, double jitter) {
  switch (outcome.end) {
    case TransferEnd::kAborted: return give_up(Code::kCancelled);
    case TransferEnd::kTls:
    case TransferEnd::kAmbiguous:
    case TransferEnd::kForbidden: return give_up(Code::kUnavailable);
    case TransferEnd::kProxyRefused: return give_up(Code::kUnauthorized);
    case TransferEnd::kDns:
      if (++history.dead_names >= kDeadNameLimit) return give_up(Code::kUnavailable);
      return retry(backoff(history.dead_names, jitter));
    case TransferEnd::kProtocol:
      if (++history.failures >= kGarbageLimit) return give_up(Code::kUnavailable);
      return retry(backoff(history.failures, jitter));
    case TransferEnd::kComplete:
    case TransferEnd::kConnect:
    case TransferEnd::kReset:
    case TransferEnd::kStalled: break;
  }
  // Bytes that arrived before the cut are progress: ask for the rest at once.
  if (outcome.bytes_arrived) return retry(nanoseconds(0));
  ++history.failures;
  if (is_keep_alive_race(outcome) && history.failures == 1) return retry(nanoseconds(0));
  return retry(backoff(history.failures, jitter));
}

}  // namespace

nanoseconds backoff(int failure, double jitter) {
  const int doublings = std::clamp(failure - 1, 0, 3);
  const double seconds = static_cast<double>(1 << doublings) * (0.5 + 0.5 * jitter);
  return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(seconds));
}

bool pushes_back(const Outcome& outcome) {
  if (outcome.end == TransferEnd::kConnect) return true;
  if (outcome.status != 0) return outcome.status == 429 || outcome.status == 503;
  return outcome.end == TransferEnd::kReset && !outcome.reused_connection;
}

bool is_final_status(int status) {
  return status >= 200 && status < 500 && status != 408 && status != 429;
}

bool is_refused_address(int status) {
  return status == 401 || status == 403 || status == 404 || status == 410 || status == 416;
}

Decision after_failed_request(const Outcome& outcome, int failures, int attempts,
                              nanoseconds longest_wait, double jitter) {
  if (outcome.status != 0 && outcome.end == TransferEnd::kComplete) {
    const Decision decision = wait_as_told(outcome, failures, longest_wait, jitter);
    return failures < attempts ? decision : give_up(decision.code);
  }
  // A small request has no use for what arrived before the cut.
  Outcome whole = outcome;
  whole.bytes_arrived = false;
  TransferHistory history;
  history.failures = failures - 1;
  history.dead_names = failures - 1;
  const Decision decision = after_transport_failure(whole, history, jitter);
  return failures < attempts ? decision : give_up(decision.code);
}

Decision after_refusal_elsewhere(int status, int refusals, double jitter) {
  const int limit = status == 403 ? kForbiddenLimit : kOldAddressLimit;
  if (refusals >= limit) return give_up(Code::kUnauthorized);
  return {Step::kResolve, refusals > 1 ? backoff(1, jitter) : nanoseconds(0), Code::kUnauthorized};
}

Decision after_failed_transfer(const Outcome& outcome, TransferHistory& history,
                               nanoseconds longest_wait, double jitter) {
  if (outcome.end != TransferEnd::kComplete || outcome.status == 0 || outcome.status == 206 ||
      outcome.status == 200) {
    return after_transport_failure(outcome, history, jitter);
  }
  switch (outcome.status) {
    case 401:
      if (++history.refusals >= kUnauthorizedLimit) return give_up(Code::kUnauthorized);
      return {Step::kResolve, {}, Code::kUnauthorized};
    case 403:
      if (++history.refusals >= kForbiddenLimit) return give_up(Code::kUnauthorized);
      return {Step::kResolve, history.refusals > 1 ? backoff(1, jitter) : nanoseconds(0),
              Code::kUnauthorized};
    case 404:
      if (++history.not_found >= kNotFoundLimit) return give_up(Code::kNotFound);
      return {Step::kResolve, {}, Code::kNotFound};
    case 410: return give_up(Code::kNotFound);
    case 407:
    case 451: return give_up(Code::kUnauthorized);
    case 416: return after_wrong_size(history, jitter);
    case 408:
    case 429: return wait_as_told(outcome, ++history.failures, longest_wait, jitter);
    default: break;
  }
  if (outcome.status >= 500) {
    return wait_as_told(outcome, ++history.failures, longest_wait, jitter);
  }
  return give_up(Code::kUnavailable);
}

Asking asking_after_refusal(Asking asking, int refusals, Refusal refusal) {
  const int step = refusals - (refusal == Refusal::kPlain ? 1 : 0);
  if (step <= 0 || asking == Asking::kWhole) return asking;
  return step == 1 && asking == Asking::kRanges ? Asking::kSmallRanges : Asking::kWhole;
}

Decision after_wrong_answer(TransferHistory& history, double jitter) {
  if (++history.wrong_answers >= kWrongAnswerLimit) return give_up(Code::kUnavailable);
  return {Step::kResolve, backoff(history.wrong_answers, jitter), Code::kUnavailable};
}

Decision after_wrong_size(TransferHistory& history, double jitter) {
  if (++history.bad_sizes >= kBadSizeLimit) return give_up(Code::kDigestMismatch);
  return {Step::kResolve, backoff(history.bad_sizes, jitter), Code::kDigestMismatch};
}

std::string describe(const Outcome& outcome, const std::string& detail) {
  const auto with_detail = [&](const std::string& text) {
    return detail.empty() ? text : text + ": " + detail;
  };
  switch (outcome.end) {
    case TransferEnd::kComplete: return "status " + std::to_string(outcome.status);
    case TransferEnd::kAborted: return "cancelled";
    case TransferEnd::kConnect: return with_detail("cannot connect");
    case TransferEnd::kDns: return with_detail("cannot resolve the host's name");
    case TransferEnd::kTls: return with_detail("no trusted TLS connection");
    case TransferEnd::kProxyRefused: return with_detail("the proxy asks for a login");
    case TransferEnd::kReset: return with_detail("the connection broke");
    case TransferEnd::kStalled: return with_detail("no data arrived");
    case TransferEnd::kProtocol: return with_detail("the answer is not valid HTTP");
    case TransferEnd::kAmbiguous: return with_detail("the answer contradicts itself");
    case TransferEnd::kForbidden: return with_detail("the host has a private address");
  }
  return "failed";
}

std::string hint_for(const Outcome& outcome, base::Clock::Wall now) {
  switch (outcome.end) {
    case TransferEnd::kDns:
    case TransferEnd::kConnect: return "check the network and the proxy settings";
    case TransferEnd::kTls:
      return fmt::format(
          "check SSL_CERT_FILE, and this machine's clock: it says {:%Y-%m-%dT%H:%M:%SZ}",
          fmt::gmtime(base::Clock::Wall::clock::to_time_t(now)));
    case TransferEnd::kProxyRefused:
      return "put the right user name and password into the proxy variable";
    case TransferEnd::kComplete:
    case TransferEnd::kAborted:
    case TransferEnd::kReset:
    case TransferEnd::kStalled:
    case TransferEnd::kProtocol:
    case TransferEnd::kAmbiguous:
    case TransferEnd::kForbidden: break;
  }
  return outcome.status == 429 ? "wait some minutes and run it again" : "";
}

}  // namespace castool::fetch
