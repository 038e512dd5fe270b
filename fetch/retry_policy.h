// What to do after a request went wrong. Pure: what happened and what happened before it in, the
// next step out. Randomness is an argument.
//
// Two callers with two budgets: small requests count attempts, blob transfers count what went wrong
// since bytes last arrived (their time without a byte is the downloader's to watch).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "fetch/http.h"

namespace castool::fetch {

// How one request ended, as far as retrying goes.
struct Outcome {
  TransferEnd end = TransferEnd::kComplete;
  int status = 0;                                // 0: no head arrived
  std::optional<std::chrono::nanoseconds> hint;  // Retry-After or RateLimit
  bool reused_connection = false;
  bool bytes_arrived = false;  // any part of the body
};

// Whether the origin may be asked by too many at once: 429 and 503, a refused connection, or one
// that was accepted and closed before any answer (rows 20 and 60).
[[nodiscard]] bool pushes_back(const Outcome& outcome);

enum class Step {
  kRetry,    // ask again after `wait`
  kResolve,  // ask the origin for a new address, then again after `wait`
  kGiveUp,   // with `code`
};

struct Decision {
  Step step = Step::kGiveUp;
  std::chrono::nanoseconds wait{};
  base::Code code = base::Code::kUnavailable;
};

// 1, 2, 4, 8, 8, … s for failure 1, 2, 3, …, each between half and all of it; `jitter` in [0, 1).
[[nodiscard]] std::chrono::nanoseconds backoff(int failure, double jitter);

// Whether a small request that got this answer has an answer for its caller.
[[nodiscard]] bool is_final_status(int status);

// Whether an address that an origin gave us may have been refused only because it was old.
[[nodiscard]] bool is_refused_address(int status);

// A small request. `failures` so far, this one included; `attempts` in all.
[[nodiscard]] Decision after_failed_request(const Outcome& outcome, int failures, int attempts,
                                            std::chrono::nanoseconds longest_wait, double jitter);

// A small request of which another host than its origin refused the address that the origin gave,
// `refusals` times in a row: the answer stands (kGiveUp), or the origin is asked again. An address
// that expired on a busy machine may do so more than once.
[[nodiscard]] Decision after_refusal_elsewhere(int status, int refusals, double jitter);

// What went wrong for one blob since bytes of it last arrived. Each is counted by
// `after_failed_transfer`, and all start again at zero with the next byte.
struct TransferHistory {
  int failures = 0;       // resets, stalls, 5xx
  int refusals = 0;       // 401, 403
  int not_found = 0;      // 404
  int bad_sizes = 0;      // 416, another total
  int wrong_answers = 0;  // other ranges, encodings, pages
  int dead_names = 0;     // DNS
};

// A blob transfer that ended early or with a status that is not a redirect, 200 or 206.
[[nodiscard]] Decision after_failed_transfer(const Outcome& outcome, TransferHistory& history,
                                             std::chrono::nanoseconds longest_wait, double jitter);

// How a blob is asked for. A signature may be good for other ranges than ours, or for none (row
// 26).
enum class Asking { kRanges, kSmallRanges, kWhole };

// What to ask for after the `refusals`th 403 in a row to a request for a range; the first one is
// answered by a new address alone, unless the refusal itself speaks of the range.
enum class Refusal { kPlain, kOfTheRange };
[[nodiscard]] Asking asking_after_refusal(Asking asking, int refusals, Refusal refusal);

// An answer with the wrong bytes: other range, encoding, a web page.
[[nodiscard]] Decision after_wrong_answer(TransferHistory& history, double jitter);
// An answer about a blob of another size.
[[nodiscard]] Decision after_wrong_size(TransferHistory& history, double jitter);

// "connection refused", "status 503", …: why a request failed, for messages.
[[nodiscard]] std::string describe(const Outcome& outcome, const std::string& detail);
// What a person can do about it, or empty. `now` is what this machine takes the time to be: the
// validity of certificates is judged by it.
[[nodiscard]] std::string hint_for(const Outcome& outcome, base::Clock::Wall now);

}  // namespace castool::fetch
