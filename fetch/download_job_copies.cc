// One copy of the blob at a time, and connections that carry their weight: rows 16, 33 and 34. The
// decisions are replica.h and laggard.h.
#include <algorithm>
#include <utility>

#include "fetch/download_job.h"

namespace castool::fetch {
namespace {

using Seconds = std::chrono::duration<double>;

// However much waits are shortened for a test, a connection is not judged sooner.
constexpr std::chrono::seconds kShortestLook{1};
// Less than this says nothing about a connection.
constexpr std::uint64_t kTellingBytes = 64 * 1024;

double rate_of(std::uint64_t bytes, base::Clock::Duration time) {
  return static_cast<double>(bytes) / std::max(Seconds(time).count(), 1e-3);
}

}  // namespace

void DownloadJob::note_copy(const Active& active) {
  if (starting_over_) return;
  const auto asked = active.serial <= asked_before_address_ ? Replica::Asked::kBeforeTheAddress
                                                            : Replica::Asked::kNow;
  const auto verdict = replica_.observe(active.hop, *active.transfer->head(), asked);
  if (verdict == Replica::Verdict::kOtherVersion) start_over(active);
}

// What came in this run may be of two versions. Chunks of earlier runs stay: if they are of the
// old one, the digest will say so.
void DownloadJob::start_over(const Active& active) {
  if (starting_over_) return;
  core_.log.info("{}: the file changed while it was fetched; starting over",
                 redacted(active.hop.url));
  last_failure_ = "the file changed while it was fetched";
  ++core_.retries;
  starting_over_ = true;
  address_is_stale_ = true;
  replica_.start_over();
  for (const Active& other : active_) core_.transport.cancel(other.id);
}

void DownloadJob::finish_start_over() {
  queue_.clear();
  for (const base::ByteRange& range : std::exchange(claims_, {})) {
    if (auto forgotten = sink_.forget(range); !forgotten) {
      return fail(std::move(forgotten).error());
    }
  }
  claimed_ = written_.load(std::memory_order_relaxed);
  claim_again_at_ = Monotonic::min();
  starting_over_ = false;
}

void DownloadJob::note_rate(const Active& active) {
  const std::uint64_t bytes = active.transfer->bytes_written();
  if (bytes < kTellingBytes && !active.replaced) return;
  recent_rates_.add(rate_of(bytes, core_.clock.now() - active.began));
}

std::vector<double> DownloadJob::peer_rates(const Active& active) const {
  std::vector<double> rates = recent_rates_.all();
  const Monotonic now = core_.clock.now();
  for (const Active& other : active_) {
    const std::uint64_t bytes = other.transfer->bytes_written();
    if (&other != &active && bytes >= kTellingBytes) {
      rates.push_back(rate_of(bytes, now - other.began));
    }
  }
  return rates;
}

// A laggard's bytes are kept; another connection goes on where it was.
void DownloadJob::replace_laggards() {
  if (asking_ == Asking::kWhole) return;
  const Monotonic now = core_.clock.now();
  const auto window =
      std::max<base::Clock::Duration>(core_.clock.scaled(kLaggardWindow), kShortestLook);
  for (Active& active : active_) {
    if (active.replaced) continue;
    if (now < active.watched_from + window) {
      wake_at(active.watched_from + window);
      continue;
    }
    const std::uint64_t bytes = active.transfer->bytes_written();
    const double rate = rate_of(bytes - active.watched_bytes, now - active.watched_from);
    active.watched_from = now;
    active.watched_bytes = bytes;
    if (!is_laggard(rate, peer_rates(active))) continue;
    core_.log.info("{}: {:.0f} bytes a second where others are ten times as fast; replacing it",
                   redacted(active.hop.url), rate);
    ++core_.retries;
    active.replaced = true;
    core_.transport.cancel(active.id);
  }
}

}  // namespace castool::fetch
