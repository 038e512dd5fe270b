// What runs for a LazyBlob: three jobs, and what becomes of the whole.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/thread.h"
#include "pull/lazy_blob.h"
#include "pull/lazy_sinks.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Code;
using base::MutexLock;
using base::Result;
using base::Status;

constexpr auto kFirstRetry = std::chrono::seconds(1);
constexpr auto kLongestRetry = std::chrono::seconds(60);
constexpr auto kLookAgain = std::chrono::milliseconds(100);
constexpr std::size_t kMostNamedChunks = 8;

std::string list_chunks(const std::vector<std::uint64_t>& chunks) {
  std::string text;
  for (std::size_t i = 0; i < std::min(chunks.size(), kMostNamedChunks); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", chunks[i] * cas::kChunkSize);
  }
  if (chunks.size() > kMostNamedChunks) {
    text += fmt::format(" and {} more", chunks.size() - kMostNamedChunks);
  }
  return text;
}

// A hasher with the partial that it reads, whoever has it last.
struct Hashed {
  explicit Hashed(std::shared_ptr<cas::Partial> read) : partial(std::move(read)) {}
  const std::shared_ptr<cas::Partial> partial;
  cas::PrefixHasher hasher{*partial};
};

}  // namespace

LazyBlob::~LazyBlob() {
  close();
  std::vector<std::jthread> ended;
  {
    const MutexLock lock(mutex_);
    for (Lane& each : lanes_) ended.push_back(std::move(each.thread));
  }
  ended.clear();  // joins
}

void LazyBlob::close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    for (Lane& each : lanes_) each.stop.request_stop();
  }
  answer_all(ReadWaiters::Whom::kAll, cancelled_error());
}

// Whoever gets true launches it.
bool LazyBlob::wants_start(Work work) {
  Lane& its = lane(work);
  if (its.running || closed_) return false;
  its.running = true;
  its.stop = std::stop_source();
  return true;
}

// False when there is no thread for it; whoever asks next tries again.
bool LazyBlob::launch(Work work, Body body) {
  std::jthread old;
  {
    const MutexLock lock(mutex_);
    old = std::move(lane(work).thread);
  }
  if (old.joinable()) old.join();  // it has said that it ends
  base::Error failure;
  {
    // Begun and kept in one step: it may end, and be followed by another, at once.
    const MutexLock lock(mutex_);
    auto begun = base::begin_thread([this, body] { (this->*body)(); });
    if (begun) {
      lane(work).thread = *std::move(begun);
      return true;
    }
    lane(work).running = false;
    if (work == Work::kFill) fill_asked_ = false;
    if (work == Work::kPrefetch) hurry_ = false;
    failure = std::move(begun).error();
  }
  const bool strict = parts_.options.verify == Verify::kStrict;
  if (work == Work::kDemand || (work == Work::kPrefetch && strict)) {
    answer_all(ReadWaiters::Whom::kReaders, failure);
  } else {
    parts_.log.warn("{} is not fetched ahead of its readers: {}", key().digest.text(),
                    failure.text());
  }
  return false;
}

void LazyBlob::ring(Work work) {
  std::shared_ptr<fetch::Bell> bell;
  {
    const MutexLock lock(mutex_);
    bell = lane(work).bell;
  }
  Network* network = network_;
  if (network != nullptr) {
    network->downloader.ring(*bell);
  } else {
    bell->rung = true;
  }
}

// Whether the lane's thread has more to do; if not, it has ended as far as others are concerned.
bool LazyBlob::goes_on(Work work, bool more) {
  Lane& its = lane(work);
  if (more && !closed_) {
    // Readers came back after the last one had gone.
    if (its.stop.stop_requested()) its.stop = std::stop_source();
    return true;
  }
  its.running = false;
  return false;
}

std::stop_token LazyBlob::token_of(Work work) {
  const MutexLock lock(mutex_);
  return lane(work).stop.get_token();
}

std::shared_ptr<cas::Partial> LazyBlob::partial() {
  const MutexLock lock(mutex_);
  return partial_;
}

// The hasher is woken by on_chunk(), whoever's chunk it is.
IncomingBlob LazyBlob::incoming() {
  return {partial(), nullptr, progress_, [this] { on_chunk(); }};
}

// A partial that could not be synced takes nothing more; what was lost is fetched through another
// open of it, by whoever comes next.
void LazyBlob::after_failure(const base::Error& error) {
  const bool full = error.code == Code::kNoSpace || error.code == Code::kQuota;
  // A namespace's quota has no errno.
  if (error.code != Code::kIo && !(full && error.sys_errno != 0)) return;
  auto fresh = parts_.store.open_partial(key(), cas::Preallocate::kNo);
  if (!fresh) return;
  std::shared_ptr<cas::Partial> worn = *std::move(fresh);
  const MutexLock lock(mutex_);
  std::swap(worn, partial_);
}

Result<fetch::BlobJob> LazyBlob::job(Work work, std::shared_ptr<fetch::BlobSink> sink,
                                     fetch::Priority priority) {
  CASTOOL_ASSIGN(network_, parts_.networks.of(key().origin));
  Network& network = *network_;
  fetch::BlobJob job;
  job.label = key().digest.text();
  job.sink = std::move(sink);
  job.priority = priority;
  const MutexLock lock(mutex_);
  if (!address_) {
    address_ = std::make_shared<SharedAddress>(parts_.sources.addresses(home_, key(), network.http),
                                               parts_.clock);
  }
  job.addresses = address_->book_for_job();
  job.bell = lane(work).bell;
  return job;
}

Status LazyBlob::run(Work work, std::shared_ptr<fetch::BlobSink> sink, fetch::Priority priority,
                     const std::stop_token& stop) {
  CASTOOL_ASSIGN(const fetch::BlobJob its, job(work, std::move(sink), priority));
  return network_.load()->downloader.run(its, stop);
}

void LazyBlob::serve_readers() {
  for (;;) {
    const auto sink = std::make_shared<DemandSink>(*this);
    ReadWaiters::Ticket newest = 0;
    {
      const MutexLock lock(mutex_);
      newest = waiters_.newest();
    }
    const Status status =
        run(Work::kDemand, sink, fetch::Priority::kDemand, token_of(Work::kDemand));
    if (!status) after_failure(status.error());
    if (!status && status.error().code == Code::kDigestMismatch) {
      spoil(LazyOwner::Spoilt::kDamaged, status.error());
    } else if (!status && status.error().code == Code::kUnavailable) {
      fail_reads(newest, status);
    } else if (!status && status.error().code != Code::kCancelled) {
      answer_all(ReadWaiters::Whom::kReaders, status);
    }
    const MutexLock lock(mutex_);
    if (!goes_on(Work::kDemand, !waiters_.demanded().empty())) break;
  }
  parts_.owner.may_be_idle(*this);
}

void LazyBlob::read_ahead() {
  for (;;) {
    const auto sink = std::make_shared<PrefetchSink>(*this);
    const Status status =
        run(Work::kPrefetch, sink, fetch::Priority::kPrefetch, token_of(Work::kPrefetch));
    const bool failed = !status && status.error().code != Code::kCancelled;
    const bool complete = partial()->complete();
    if (failed) after_failure(status.error());
    bool all = false;
    {
      const MutexLock lock(mutex_);
      all = hurry_;
      // What failed is tried again for the next reader; one that came while this was being stopped
      // keeps its wishes.
      if (failed) ahead_.clear();
      if (failed || complete) hurry_ = false;
    }
    if (failed && status.error().code == Code::kDigestMismatch) {
      spoil(LazyOwner::Spoilt::kDamaged, status.error());
    } else if (failed && all && parts_.options.verify == Verify::kStrict) {
      answer_all(ReadWaiters::Whom::kReaders, status);
    }
    const MutexLock lock(mutex_);
    if (!goes_on(Work::kPrefetch, readers_ > 0 && (hurry_ || !ahead_.empty()))) break;
  }
  parts_.owner.may_be_idle(*this);
}

bool LazyBlob::begin_fill() {
  bool start = false;
  {
    const MutexLock lock(mutex_);
    start = phase_ == Phase::kFilling && wants_start(Work::kFill);
  }
  if (start && launch(Work::kFill, &LazyBlob::fill)) return true;
  parts_.owner.fill_ended(*this);
  if (!start) parts_.owner.may_be_idle(*this);
  return false;
}

void LazyBlob::fill() {
  base::Clock::Duration pause = kFirstRetry;
  for (;;) {
    const std::stop_token stop = token_of(Work::kFill);
    const auto end = fill_once(stop);
    if (!end && end.error().code == Code::kDigestMismatch) {
      spoil(LazyOwner::Spoilt::kDamaged, end.error());
    } else if (!end && end.error().code != Code::kCancelled) {
      parts_.log.warn("{}: {}", key().digest.text(), end.error().text());
      const bool complete = partial()->complete();
      after_failure(end.error());
      // Whoever waits for the whole has waited long enough.
      if (parts_.options.verify == Verify::kStrict && complete) {
        answer_all(ReadWaiters::Whom::kReaders, base::failure(end));
      }
      static_cast<void>(wait_unless_stopped(parts_.clock, pause, stop));
      pause = std::min<base::Clock::Duration>(2 * pause, kLongestRetry);
    }
    const MutexLock lock(mutex_);
    hasher_.reset();
    const bool more =
        phase_ == Phase::kFilling && !stop.stop_requested() && (!end || *end == FillEnd::kAgain);
    if (goes_on(Work::kFill, more)) continue;
    fill_asked_ = false;
    break;
  }
  parts_.owner.fill_ended(*this);
  parts_.owner.may_be_idle(*this);
}

Result<LazyBlob::FillEnd> LazyBlob::fill_once(const std::stop_token& stop) {
  const auto now = partial();
  CASTOOL_RETURN_IF_ERROR(now->refresh());
  if (!now->published()) {
    const auto hashed = std::make_shared<Hashed>(now);
    {
      const MutexLock lock(mutex_);
      hasher_ = {hashed, &hashed->hasher};
    }
    if (!now->complete()) {
      const auto sink = std::make_shared<FillSink>(*this);
      CASTOOL_RETURN_IF_ERROR(run(Work::kFill, sink, fetch::Priority::kBackground, stop));
      if (partial() != now) return FillEnd::kAgain;
    }
  }
  return settle(stop);
}

Result<LazyBlob::FillEnd> LazyBlob::settle(const std::stop_token& stop) {
  const auto now = partial();
  CASTOOL_RETURN_IF_ERROR(now->refresh());
  if (!now->published()) {
    CASTOOL_ASSIGN(const fetch::BlobJob its, job(Work::kFill, nullptr, fetch::Priority::kPrefetch));
    BlobRequest request;
    request.key = key();
    request.addresses = its.addresses;
    request.progress = progress_;
    request.priority = fetch::Priority::kPrefetch;
    request.on_repair = [this](const auto& rotten) { on_repair(rotten); };
    IncomingBlob blob{now, nullptr, progress_, [this] { on_chunk(); }};
    {
      const MutexLock lock(mutex_);
      blob.hasher = hasher_;
    }
    BlobVerifier verifier(parts_.store, network_.load()->downloader, parts_.clock, parts_.log);
    const auto ended = verifier.settle(request, blob, stop);
    const bool again = ended && *ended == BlobVerifier::Ended::kLookAgain;
    if (!ended || again) {
      {
        const MutexLock lock(mutex_);
        if (phase_ == Phase::kRepairing) phase_ = Phase::kFilling;
      }
      if (!ended) return base::failure(ended);
      CASTOOL_RETURN_IF_ERROR(now->refresh());
      if (!now->published()) {
        look_later();
        static_cast<void>(wait_unless_stopped(parts_.clock, kLookAgain, stop));
        return FillEnd::kAgain;
      }
    }
  }
  on_verified();
  return FillEnd::kSettled;
}

void LazyBlob::on_repair(const std::vector<base::ByteRange>& rotten) {
  const MutexLock lock(mutex_);
  phase_ = Phase::kRepairing;
  for (const base::ByteRange& range : rotten) {
    handed_.suspect(range.offset / cas::kChunkSize,
                    (range.length + cas::kChunkSize - 1) / cas::kChunkSize);
    rotten_ = true;
  }
}

void LazyBlob::on_verified() {
  const auto now = partial();
  const auto right = now->checksums({0, key().size});
  const bool dropped = now->generation() != opened_generation_;
  std::vector<std::uint64_t> wrong;
  {
    const MutexLock lock(mutex_);
    if (dropped || rotten_) wrong = handed_.wrong(right.value_or(std::vector<std::uint64_t>()));
    if (wrong.empty()) phase_ = Phase::kVerified;
  }
  if (wrong.empty()) {
    answer_all(ReadWaiters::Whom::kAll, base::ok());
  } else {
    base::Error error = base::make_error(
        Code::kDigestMismatch,
        fmt::format("{}: readers were given wrong bytes in the chunks at {}; it has been mended, "
                    "and files that are open get errors from now on",
                    key().digest.text(), list_chunks(wrong)),
        "open them again");
    error.digest = key().digest.text();
    spoil(LazyOwner::Spoilt::kPoisoned, error);
  }
  parts_.owner.verified(*this);
}

void LazyBlob::spoil(LazyOwner::Spoilt how, const base::Error& error) {
  {
    const MutexLock lock(mutex_);
    if (phase_ == Phase::kSpoilt) return;
    phase_ = Phase::kSpoilt;
    spoilt_ = error;
    lane(Work::kDemand).stop.request_stop();
    lane(Work::kPrefetch).stop.request_stop();
  }
  parts_.log.error("{}", error.text());
  parts_.owner.spoilt(*this, how, error);
  answer_all(ReadWaiters::Whom::kAll, Status(error));
}

}  // namespace castool::pull
