// What answers mean for the job: the other half is download_job.cc.
#include <algorithm>
#include <utility>

#include "fetch/download_job.h"
#include "fetch/wait_hints.h"

namespace castool::fetch {
namespace {

using base::Error;

// Row 19: how long an origin may make us wait in all before bytes flow again.
constexpr std::chrono::minutes kLongestWait{15};
// Less than this before a cut is no reason to ask again without a pause.
constexpr std::uint64_t kRealProgress = 64 * 1024;

}  // namespace

void DownloadJob::handle_ended(Active& active) {
  RangeTransfer& transfer = *active.transfer;
  note_progress();
  if (!transfer.sink_status()) return fail(transfer.sink_status().error());
  Work work;
  work.writers = transfer.take_unfinished();
  note_rate(active);
  // What is left of it belongs to a version that is given up.
  if (work.writers.empty() || starting_over_) return;
  if (active.replaced) return requeue(std::move(work), Monotonic::min());
  if (active.serial <= incident_ && transfer.bytes_written() == 0) {
    return requeue(std::move(work), incident_until_);
  }
  if (transfer.accepted()) {
    handle_accepted(active, std::move(work));
  } else {
    handle_rejected(active, std::move(work));
  }
}

void DownloadJob::handle_accepted(Active& active, Work work) {
  const RangeTransfer& transfer = *active.transfer;
  const Outcome outcome = outcome_of(transfer);
  const bool ended_by_rule = transfer.result().end == TransferEnd::kComplete ||
                             transfer.result().end == TransferEnd::kAborted;
  if (asking_ == Asking::kWhole && transfer.bytes_written() == 0) {
    apply(after_wrong_answer(history_, core_.jitter()), active, outcome,
          "the answer ended before the bytes that are missing", std::move(work));
  } else if (!ended_by_rule) {
    apply(after_failed_transfer(outcome, history_, kLongestWait, core_.jitter()), active, outcome,
          describe(outcome, transfer.result().detail), std::move(work));
  } else if (transfer.bytes_written() > 0) {
    requeue(std::move(work), Monotonic::min());  // rows 5 and 6: keep it and ask for the rest
  } else {
    apply(after_wrong_answer(history_, core_.jitter()), active, outcome, "an empty answer",
          std::move(work));
  }
}

void DownloadJob::handle_rejected(Active& active, Work work) {
  const RangeTransfer& transfer = *active.transfer;
  const Outcome outcome = outcome_of(transfer);
  const auto wrong = [&](const std::string& why) {
    apply(after_wrong_answer(history_, core_.jitter()), active, outcome, why, std::move(work));
  };
  if (!transfer.head()) {
    return apply(after_failed_transfer(outcome, history_, kLongestWait, core_.jitter()), active,
                 outcome, describe(outcome, transfer.result().detail), std::move(work));
  }
  switch (transfer.answer().kind) {
    case AnswerKind::kPart:
    case AnswerKind::kWhole:
      if (asking_ != Asking::kWhole) {
        core_.log.info("{}: the server ignores ranges; using one connection",
                       redacted(active.hop.url));
      }
      asking_ = Asking::kWhole;
      return requeue(std::move(work), Monotonic::min());
    case AnswerKind::kOtherVersion: return start_over(active);
    case AnswerKind::kRedirect: return follow_redirect(active, std::move(work));
    case AnswerKind::kWrongRange: return wrong("the answer has another range than asked for");
    case AnswerKind::kEncoded: return wrong("the answer is compressed although not asked for");
    case AnswerKind::kPage: return wrong("a web page in place of the data, from a proxy or portal");
    case AnswerKind::kWrongSize:
      return apply(after_wrong_size(history_, core_.jitter()), active, outcome,
                   "the server's copy has another size", std::move(work));
    case AnswerKind::kRefused: {
      const Decision decision =
          after_failed_transfer(outcome, history_, kLongestWait, core_.jitter());
      if (outcome.status == 403 && transfer.wanted().range) {
        const bool of_range = transfer.refusal_text().find("range") != std::string::npos;
        asking_ = asking_after_refusal(asking_, history_.refusals,
                                       of_range ? Refusal::kOfTheRange : Refusal::kPlain);
      }
      return apply(decision, active, outcome, describe(outcome, transfer.result().detail),
                   std::move(work));
    }
  }
}

void DownloadJob::follow_redirect(Active& active, Work work) {
  auto next = next_hop(active.hop, *active.transfer->head(), active.hops);
  if (!next) return fail(std::move(next).error());
  work.redirected_to = *std::move(next);
  work.hops = active.hops + 1;
  queue_.push_front(std::move(work));
}

void DownloadJob::apply(const Decision& decision, const Active& active, const Outcome& outcome,
                        const std::string& why, Work work) {
  last_failure_ = why;
  Error error = base::make_error(decision.code, why);
  error.url = redacted(active.hop.url);
  if (decision.step == Step::kGiveUp) {
    error.hint = hint_for(outcome, core_.clock.wall_now());
    return fail(std::move(error));
  }
  ++core_.retries;
  if (decision.step == Step::kResolve) address_is_stale_ = true;
  incident_ = launched_;
  incident_until_ = after(decision.wait);
  if (loses_replica(outcome)) replica_.forget_place();
  const bool refused_again = outcome.status == 403 && history_.refusals > 1;
  if (pushes_back(outcome) || refused_again) core_.budget.push_back(active.grant);
  if (outcome.status == 429 || outcome.status == 503) {
    if (const auto origin = origin_of(active.hop.url)) {
      core_.backoff->defer(*origin, incident_until_);
    }
    told_to_wait_ += decision.wait;
    if (told_to_wait_ > kLongestWait) return fail(std::move(error));
    // Being told to wait is an answer; only silence counts against the time-out.
    last_alive_ = std::max(last_alive_, incident_until_);
  }
  core_.log.info("{}: {}; trying again in {} ms", error.url, why,
                 std::chrono::duration_cast<std::chrono::milliseconds>(decision.wait).count());
  requeue(std::move(work), incident_until_);
}

void DownloadJob::requeue(Work work, Monotonic not_before) {
  work.not_before = not_before;
  work.redirected_to.reset();
  work.hops = 0;
  queue_.push_back(std::move(work));
}

Outcome DownloadJob::outcome_of(const RangeTransfer& transfer) const {
  Outcome outcome;
  outcome.end = transfer.result().end;
  // Row 59: a name that was known before is not wrong, it is the network that is away.
  if (outcome.end == TransferEnd::kDns && seen_written_ > 0) outcome.end = TransferEnd::kConnect;
  outcome.reused_connection = transfer.result().reused_connection;
  outcome.bytes_arrived = transfer.bytes_written() >= kRealProgress;
  if (transfer.head()) {
    outcome.status = transfer.head()->status;
    outcome.hint = wait_hint(transfer.head()->headers, core_.clock.wall_now());
    // We may have cut a long error page short; its status still counts.
    if (!transfer.accepted() && outcome.end == TransferEnd::kAborted) {
      outcome.end = TransferEnd::kComplete;
    }
  }
  return outcome;
}

}  // namespace castool::fetch
