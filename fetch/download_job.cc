#include "fetch/download_job.h"

#include <algorithm>
#include <utility>

#include "fetch/range_planner.h"

namespace castool::fetch {
namespace {

using base::Clock;
using base::Code;
using base::Error;
using base::MutexLock;

// Row 15: a connection without a byte for so long is replaced.
constexpr std::chrono::seconds kStallTimeout{30};
// An address is renewed while it still works.
constexpr std::chrono::seconds kExpiryMargin{30};

}  // namespace

DownloadJob::DownloadJob(DownloaderCore& core, const BlobJob& job, std::stop_token stop)
    : core_(core),
      job_(job),
      stop_(std::move(stop)),
      sink_(*job.sink),
      size_(job.sink->size()),
      party_(job.priority),
      last_alive_(core.clock.now()) {}

DownloadJob::~DownloadJob() {
  core_.budget.withdraw(party_);
  core_.leave();
}

base::Status DownloadJob::run() {
  if (size_ == 0) return base::ok();
  const std::stop_callback wake(stop_, [this] {
    MutexLock lock(core_.budget.mutex);
    mailbox_.woken = true;
    core_.budget.changed.notify_all();
  });
  while (!error_) {
    if (stop_.stop_requested() || core_.stopping()) {
      fail(base::make_error(Code::kCancelled, "interrupted"));
      break;
    }
    if (done()) return base::ok();
    step();
  }
  cancel_all();
  return *std::move(error_);
}

void DownloadJob::step() {
  wake_at_ = core_.clock.now() + std::chrono::seconds(1);
  if (job_.bell && job_.bell->rung.exchange(false)) claim_again_at_ = Monotonic::min();
  read_mailbox();
  note_progress();
  look_at_others();
  // Nothing of ours to do: others fetch what is missing, which is no silence.
  if (active_.empty() && queue_.empty()) last_alive_ = std::max(last_alive_, core_.clock.now());
  while (!error_ && start_one() == Started::kYes) {
  }
  if (error_) return;
  replace_laggards();
  resume_paused();
  check_timeout();
  if (error_ || done()) return;
  wait_for_change();
}

void DownloadJob::read_mailbox() {
  Mailbox mail;
  {
    MutexLock lock(core_.budget.mutex);
    std::swap(mail, mailbox_);
  }
  const auto find = [this](const RangeTransfer* transfer) {
    return std::find_if(active_.begin(), active_.end(), [transfer](const Active& active) {
      return active.transfer.get() == transfer;
    });
  };
  for (const RangeTransfer* transfer : mail.accepted) note_copy(*find(transfer));
  for (const auto& [transfer, until] : mail.paused) find(transfer)->paused_until = until;
  for (const RangeTransfer* transfer : mail.ended) {
    std::list<Active> ended;
    ended.splice(ended.end(), active_, find(transfer));
    core_.budget.release(party_);
    if (!error_) handle_ended(ended.front());
  }
}

// --- What to ask for next ----------------------------------------------------------------------

bool DownloadJob::done() {
  return !starting_over_ && active_.empty() && queue_.empty() && sink_.complete();
}

// Looked at before a slot is taken, so that jobs without work do not pass slots among themselves.
bool DownloadJob::may_have_work() {
  if (starting_over_ && active_.empty()) finish_start_over();
  if (starting_over_ || error_) return false;
  if (asking_ == Asking::kWhole && !active_.empty()) return false;
  const Monotonic now = core_.clock.now();
  const bool due = std::any_of(queue_.begin(), queue_.end(),
                               [now](const Work& work) { return work.not_before <= now; });
  for (const Work& work : queue_) {
    if (work.not_before > now) wake_at(work.not_before);
  }
  if (due) return true;
  if (!sink_.has_work()) return false;
  if (claim_again_at_ > now) wake_at(claim_again_at_);
  return may_claim(now);
}

DownloadJob::Started DownloadJob::start_one() {
  if (!may_have_work()) {
    core_.budget.withdraw(party_);
    return Started::kNotNow;
  }
  const auto grant = core_.budget.try_acquire(party_);
  if (!grant) return Started::kNotNow;
  auto work = asking_ == Asking::kWhole ? next_whole() : next_work();
  if (work && address_is_good()) {
    const Hop home = replica_.place().value_or(Hop{address_->url, address_->reach});
    const Hop hop = work->redirected_to.value_or(home);
    if (!must_wait(hop)) {
      launch(*std::move(work), hop, *grant);
      return Started::kYes;
    }
  }
  core_.budget.release(party_);
  if (!work) return Started::kNotNow;
  queue_.push_front(*std::move(work));
  // Without a slot: the question takes one of its own.
  return !address_is_good() && ask_address() ? Started::kYes : Started::kNotNow;
}

// Whether the host asked to be left alone for now.
bool DownloadJob::must_wait(const Hop& hop) {
  const auto origin = origin_of(hop.url);
  if (!origin) return false;
  const Monotonic free_at = core_.backoff->free_at(*origin);
  if (free_at <= core_.clock.now()) return false;
  wake_at(free_at);
  last_alive_ = std::max(last_alive_, free_at);
  return true;
}

std::optional<DownloadJob::Work> DownloadJob::next_work() {
  const Monotonic now = core_.clock.now();
  for (auto place = queue_.begin(); place != queue_.end(); ++place) {
    if (place->not_before > now) continue;
    Work work = std::move(*place);
    queue_.erase(place);
    if (work.writers.size() > 1) {
      // Left over from a whole answer: one request takes one run.
      for (auto writer = work.writers.begin() + 1; writer != work.writers.end(); ++writer) {
        queue_.emplace_back().writers.push_back(std::move(*writer));
      }
      work.writers.resize(1);
    }
    return work;
  }
  auto writer = claim(plan_range(unclaimed(), core_.budget.connections()));
  if (!writer) return std::nullopt;
  Work work;
  work.writers.push_back(std::move(writer));
  return work;
}

// Everything that is missing, for one pass over the whole blob.
std::optional<DownloadJob::Work> DownloadJob::next_whole() {
  Work work;
  for (Work& queued : queue_) {
    if (queued.not_before > core_.clock.now()) {
      wake_at(queued.not_before);
      return std::nullopt;
    }
  }
  for (Work& queued : queue_) {
    std::move(queued.writers.begin(), queued.writers.end(), std::back_inserter(work.writers));
    if (queued.redirected_to) work.redirected_to = queued.redirected_to;
    work.hops = std::max(work.hops, queued.hops);
  }
  queue_.clear();
  while (auto writer = claim(size_)) work.writers.push_back(std::move(writer));
  if (error_ || work.writers.empty()) return std::nullopt;
  std::sort(work.writers.begin(), work.writers.end(),
            [](const auto& a, const auto& b) { return a->next_offset() < b->next_offset(); });
  return work;
}

bool DownloadJob::address_is_good() const {
  if (!address_ || address_is_stale_) return false;
  // One that was just given is tried, whatever it says of its end.
  return address_is_new_ || !address_->expires ||
         core_.clock.now() + core_.clock.scaled(kExpiryMargin) < *address_->expires;
}

bool DownloadJob::ask_address() {
  const auto need = address_ ? AddressBook::Need::kFresh : AddressBook::Need::kAny;
  auto address = job_.addresses->address(need, stop_);
  if (!address) {
    fail(std::move(address).error());
    return false;
  }
  address_ = *std::move(address);
  address_is_stale_ = false;
  address_is_new_ = true;
  asked_before_address_ = launched_;
  replica_.forget_place();
  // The origin's own retries are not silence of the host that has the bytes.
  last_alive_ = std::max(last_alive_, core_.clock.now());
  return true;
}

void DownloadJob::launch(Work work, const Hop& hop, TransferBudget::Grant grant) {
  HttpRequest request;
  request.url = hop.url;
  request.reach = hop.reach;
  request.stall_timeout = std::min<Clock::Duration>(kStallTimeout, core_.limits.timeout);
  const auto from = origin_of(address_->url);
  const auto to = origin_of(hop.url);
  const bool same_origin = from && to && *from == *to;
  request.headers = same_origin ? address_->headers : without_credentials(address_->headers);
  request.peer = replica_.peer(hop.url);
  RangeTransfer::Wanted wanted{size_, std::nullopt, replica_.version(hop.url)};
  if (asking_ != Asking::kWhole) {
    const RangeWriter& writer = *work.writers.front();
    const std::uint64_t left = writer.end_offset() - writer.next_offset();
    const std::uint64_t most = asking_ == Asking::kSmallRanges ? kSmallestRange : left;
    wanted.range = base::ByteRange{writer.next_offset(), std::min(left, most)};
    request.range = wanted.range;
    if (!wanted.version.empty()) request.headers.add("If-Range", wanted.version);
  }
  Active& active = active_.emplace_back();
  active.transfer =
      std::make_shared<RangeTransfer>(std::move(work.writers), std::move(wanted), *this);
  active.began = active.watched_from = core_.clock.now();
  active.serial = ++launched_;
  active.grant = grant;
  active.hop = hop;
  active.hops = work.hops;
  address_is_new_ = false;
  ++core_.requests;
  active.id = core_.transport.start(std::move(request), active.transfer);
}

// --- Waiting -----------------------------------------------------------------------------------

void DownloadJob::note_progress() {
  const std::uint64_t written = written_.load(std::memory_order_relaxed);
  const std::uint64_t skipped = skipped_.load(std::memory_order_relaxed);
  if (written != seen_written_ || skipped != seen_skipped_) {
    last_alive_ = std::max(last_alive_, core_.clock.now());
  }
  if (written != seen_written_) {
    history_ = {};
    told_to_wait_ = {};
  }
  seen_written_ = written;
  seen_skipped_ = skipped;
}

// What others bring is no silence either.
void DownloadJob::look_at_others() {
  const Monotonic now = core_.clock.now();
  if (active_.empty() || now < look_at_) return;
  look_at_ = now + std::chrono::seconds(1);
  sink_.look();
  const std::uint64_t present = sink_.present();
  if (present > seen_present_) last_alive_ = std::max(last_alive_, now);
  seen_present_ = present;
}

void DownloadJob::check_timeout() {
  const Monotonic deadline = last_alive_ + core_.clock.scaled(core_.limits.timeout);
  wake_at(deadline);
  if (core_.clock.now() < deadline) return;
  Error error = base::make_error(
      Code::kUnavailable,
      "no data for too long" + (last_failure_.empty() ? "" : ", last: " + last_failure_),
      "run it again; what was fetched is kept");
  if (address_) error.url = redacted(address_->url);
  fail(std::move(error));
}

void DownloadJob::resume_paused() {
  const Monotonic now = core_.clock.now();
  for (Active& active : active_) {
    if (!active.paused_until) continue;
    last_alive_ = std::max(last_alive_, now);
    if (*active.paused_until > now) {
      wake_at(*active.paused_until);
    } else {
      active.paused_until.reset();
      core_.transport.resume(active.id);
    }
  }
}

void DownloadJob::wait_for_change() {
  const Monotonic now = core_.clock.now();
  if (wake_at_ <= now) return;
  MutexLock lock(core_.budget.mutex);
  if (mailbox_.woken || !mailbox_.ended.empty() || !mailbox_.paused.empty() ||
      !mailbox_.accepted.empty() || (job_.bell && job_.bell->rung)) {
    return;
  }
  core_.budget.changed.wait_until(core_.budget.mutex,
                                  std::chrono::steady_clock::now() + (wake_at_ - now));
}

void DownloadJob::cancel_all() {
  for (const Active& active : active_) core_.transport.cancel(active.id);
  while (!active_.empty()) {
    read_mailbox();
    wake_at_ = core_.clock.now() + std::chrono::seconds(1);
    if (!active_.empty()) wait_for_change();
  }
  queue_.clear();
}

void DownloadJob::fail(Error error) {
  if (error_) return;
  if (error.digest.empty() && job_.label.starts_with("sha256:")) error.digest = job_.label;
  error_ = std::move(error);
}

DownloadJob::Monotonic DownloadJob::after(Clock::Duration nominal) const {
  return core_.clock.now() + core_.clock.scaled(nominal);
}

}  // namespace castool::fetch
