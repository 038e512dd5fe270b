// Readers: who waits, who is answered, what that tells about what to fetch next.
#include "pull/lazy_blob.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cas/sums.h"
#include "pull/waiting.h"

namespace castool::pull {

namespace {

// No partial has lost chunks so often.
constexpr std::uint64_t kUnknownGeneration = ~std::uint64_t{0};

}  // namespace

using base::Code;
using base::make_error;
using base::MutexLock;
using base::Result;
using base::Status;

Result<std::shared_ptr<LazyBlob>> LazyBlob::open(const LazyParts& parts, BlobHome home,
                                                 const base::Digest& digest, std::uint64_t size) {
  CASTOOL_ASSIGN(std::shared_ptr<cas::Partial> partial,
                 parts.store.open_partial({digest, size, home.origin}, cas::Preallocate::kNo));
  return std::shared_ptr<LazyBlob>(new LazyBlob(parts, std::move(home), std::move(partial)));
}

LazyBlob::LazyBlob(const LazyParts& parts, BlobHome home, std::shared_ptr<cas::Partial> partial)
    : parts_(parts),
      home_(std::move(home)),
      first_(std::move(partial)),
      opened_generation_(first_->generation()),
      partial_(first_),
      streams_(key().size),
      demand_idle_(parts.clock.now()),
      progress_(
          std::make_shared<FileProgress>(key().digest.text(), key().digest.text(), key().size)) {
  const MutexLock lock(mutex_);
  if (first_->published()) phase_ = Phase::kVerified;
}

// What can be said of a read without waiting; remembers what is given out.
std::optional<Status> LazyBlob::answer_now(const base::ByteRange& range,
                                           const std::optional<std::vector<std::uint64_t>>& sums) {
  if (phase_ == Phase::kVerified) return base::ok();
  if (phase_ == Phase::kSpoilt) return Status(*spoilt_);
  if (closed_) return Status(cancelled_error());
  if (phase_ == Phase::kFilling && sums && parts_.options.verify == Verify::kLazy) {
    handed_.give(range.offset / cas::kChunkSize, *sums);
    return base::ok();
  }
  if (!parts_.origins.offline) return std::nullopt;
  base::Error error = make_error(Code::kUnavailable, "offline, and these bytes are not here",
                                 "unset HF_HUB_OFFLINE to ask the origin");
  error.digest = key().digest.text();
  return Status(std::move(error));
}

// Lets a read shape what is fetched next; whether something new is to be read ahead.
bool LazyBlob::follow(const base::ByteRange& range) {
  if (phase_ != Phase::kFilling || parts_.origins.offline) return false;
  if (parts_.options.verify == Verify::kStrict) return !std::exchange(hurry_, true);
  const ReadStreams::Advice advice = streams_.on_read(range);
  // All of a file is more than what is read, and soon will be.
  const bool whole = advice.whole && parts_.options.fill != Fill::kNone;
  bool news = whole && !std::exchange(hurry_, true);
  if (advice.ahead.empty() || hurry_) return news;
  const auto touches = [&](const base::ByteRange& known) {
    return known.offset <= advice.ahead.offset && advice.ahead.offset <= known.end();
  };
  std::erase_if(ahead_, touches);
  ahead_.push_back(advice.ahead);
  if (ahead_.size() > ReadStreams::kStreams) ahead_.erase(ahead_.begin());
  return true;
}

LazyBlob::Ticket LazyBlob::want(const base::ByteRange& range, const Done& done) {
  const auto now = partial();
  const auto sums = now->checksums(range);
  const bool complete = now->complete();
  std::optional<Status> answer;
  Ticket ticket = 0;
  bool start_demand = false, start_ahead = false, news = false, ask_fill = false, all_here = false;
  {
    const MutexLock lock(mutex_);
    answer = answer_now(range, sums);
    news = follow(range);
    if (!answer) {
      ticket = waiters_.add_read(range, done);
      parts_.gate.begin_waiting();
      start_demand = parts_.options.verify == Verify::kLazy && wants_start(Work::kDemand);
    }
    start_ahead = news && wants_start(Work::kPrefetch);
    const bool fill = parts_.options.fill != Fill::kNone || hurry_;
    ask_fill = fill && phase_ == Phase::kFilling && !parts_.origins.offline &&
               !std::exchange(fill_asked_, true);
    all_here = complete && phase_ == Phase::kFilling && !lane(Work::kFill).running;
  }
  if (start_demand) launch(Work::kDemand, &LazyBlob::serve_readers);
  if (start_ahead) launch(Work::kPrefetch, &LazyBlob::read_ahead);
  if (news && !start_ahead) ring(Work::kPrefetch);
  if (ask_fill) parts_.owner.wants_fill(*this);
  if (answer) {
    done(*answer);
  } else {
    ring(Work::kDemand);
    // They may have come between the first look and the note that somebody waits.
    all_here = all_here || now->checksums(range);
  }
  if (all_here) look_later();
  return ticket;
}

LazyBlob::Ticket LazyBlob::settled(Done done) {
  Status status = base::ok();
  {
    const MutexLock lock(mutex_);
    if (closed_) {
      status = cancelled_error();
    } else if (phase_ == Phase::kSpoilt) {
      status = *spoilt_;
    } else if (phase_ != Phase::kVerified) {
      return waiters_.add_listener(std::move(done));
    }
  }
  done(status);
  return 0;
}

// The number of times that the partial lost chunks, as text and a newline, then HandedOut::bytes();
// nothing when nothing of it can turn out wrong any more.
std::string LazyBlob::given_out() {
  const MutexLock lock(mutex_);
  if (phase_ == Phase::kVerified || handed_.empty()) return {};
  const std::uint64_t generation = rotten_ ? kUnknownGeneration : opened_generation_;
  return fmt::format("{}\n", generation) + handed_.bytes();
}

void LazyBlob::go_on_from(std::string_view given_out) {
  if (given_out.empty()) return;
  const std::size_t line = given_out.find('\n');
  HandedOut before;
  bool good = line != std::string_view::npos && before.add(given_out.substr(line + 1));
  {
    const MutexLock lock(mutex_);
    const auto from = given_out.substr(0, line);
    if (from != fmt::format("{}", opened_generation_)) rotten_ = true;
    if (good && phase_ == Phase::kFilling) {
      static_cast<void>(handed_.add(given_out.substr(line + 1)));
      return;
    }
    good = good && phase_ == Phase::kVerified;
  }
  // It was verified since, and nobody compares it any more.
  if (good) {
    const auto right = cas::sums_of_stored(parts_.store.dir(), key().digest, key().size, fd());
    good = right && before.wrong(*right).empty();
  }
  if (good) return;
  base::Error error = make_error(
      Code::kDigestMismatch,
      "what readers were given before it was verified is not known to be right", "open it again");
  error.digest = key().digest.text();
  spoil(LazyOwner::Spoilt::kPoisoned, error);
}

void LazyBlob::cancel(Ticket ticket) {
  std::vector<Done> gone;
  {
    const MutexLock lock(mutex_);
    const int before = waiters_.read_count();
    if (auto done = waiters_.take(ticket)) gone.push_back(*std::move(done));
    parts_.gate.end_waiting(before - waiters_.read_count());
  }
  if (!gone.empty()) deliver(std::move(gone), cancelled_error());
}

// On the transport's thread: a chunk was recorded.
void LazyBlob::on_chunk() {
  std::shared_ptr<cas::PrefixHasher> hasher;
  std::shared_ptr<cas::Partial> now;
  bool waits = false;
  {
    const MutexLock lock(mutex_);
    hasher = hasher_;
    now = partial_;
    waits = waiters_.any_read();
  }
  if (hasher) hasher->wake();
  if (waits || now->complete()) look_later();
}

void LazyBlob::look_later() {
  if (look_posted_.exchange(true)) return;
  parts_.deliveries.post([self = weak_from_this()] {
    auto blob = self.lock();
    if (!blob) return;
    blob->look();
    LazyOwner& owner = blob->parts_.owner;
    owner.may_be_idle(std::move(blob));
  });
}

// Answers whose bytes have come.
void LazyBlob::look() {
  look_posted_ = false;
  std::vector<ReadWaiters::Read> reads;
  std::shared_ptr<cas::Partial> now;
  {
    const MutexLock lock(mutex_);
    now = partial_;
    if (phase_ == Phase::kFilling && parts_.options.verify == Verify::kLazy) {
      reads = waiters_.reads();
    }
  }
  for (const auto& read : reads) {
    const auto sums = now->checksums(read.range);
    if (!sums) continue;
    std::optional<Done> done;
    {
      const MutexLock lock(mutex_);
      if (phase_ != Phase::kFilling) break;
      waiters_.satisfied(read.range);
      done = waiters_.take(read.ticket);
      if (!done) continue;
      handed_.give(read.range.offset / cas::kChunkSize, *sums);
      demand_idle_ = parts_.clock.now();
    }
    parts_.gate.end_waiting(1);
    (*done)(base::ok());
  }
  static_cast<void>(begin_to_verify());
}

bool LazyBlob::begin_to_verify() {
  if (!partial()->complete()) return false;
  {
    const MutexLock lock(mutex_);
    if (phase_ != Phase::kFilling || closed_ || lane(Work::kFill).running) return false;
  }
  return begin_fill();
}

bool LazyBlob::verify_if_complete() {
  // A table that cannot be read leaves it to the next reader.
  return partial()->refresh() && begin_to_verify();
}

void LazyBlob::answer_all(ReadWaiters::Whom whom, const Status& status) {
  std::vector<Done> all;
  {
    const MutexLock lock(mutex_);
    const int before = waiters_.read_count();
    all = waiters_.take_all(whom);
    demand_idle_ = parts_.clock.now();
    parts_.gate.end_waiting(before);
  }
  if (!all.empty()) deliver(std::move(all), status);
}

// Those that waited when what has failed was begun; who came later has his own time.
void LazyBlob::fail_reads(ReadWaiters::Ticket last, const Status& status) {
  std::vector<Done> failed;
  {
    const MutexLock lock(mutex_);
    failed = waiters_.take_reads_until(last);
    demand_idle_ = parts_.clock.now();
    parts_.gate.end_waiting(static_cast<int>(failed.size()));
  }
  if (!failed.empty()) deliver(std::move(failed), status);
}

void LazyBlob::deliver(std::vector<Done> all, const Status& status) {
  parts_.deliveries.post([all = std::move(all), status] {
    for (const Done& done : all) done(status);
  });
}

void LazyBlob::add_reader() {
  const MutexLock lock(mutex_);
  ++readers_;
}

void LazyBlob::drop_reader() {
  const bool complete = partial()->complete();
  const MutexLock lock(mutex_);
  if (--readers_ > 0) return;
  lane(Work::kDemand).stop.request_stop();
  lane(Work::kPrefetch).stop.request_stop();
  ahead_.clear();
  hurry_ = false;
  if (parts_.options.fill == Fill::kNone && !complete) lane(Work::kFill).stop.request_stop();
}

bool LazyBlob::idle() {
  const MutexLock lock(mutex_);
  return readers_ == 0 && !lane(Work::kDemand).running && !lane(Work::kPrefetch).running &&
         !lane(Work::kFill).running && !look_posted_;
}

}  // namespace castool::pull
