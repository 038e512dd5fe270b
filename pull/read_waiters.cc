#include "pull/read_waiters.h"

#include <algorithm>
#include <utility>

namespace castool::pull {

ReadWaiters::Ticket ReadWaiters::add_read(const base::ByteRange& range, Done done) {
  reads_.emplace(++last_, Waiting{range, std::move(done)});
  demand(range);
  return last_;
}

ReadWaiters::Ticket ReadWaiters::add_listener(Done done) {
  listeners_.emplace(++last_, std::move(done));
  return last_;
}

std::optional<ReadWaiters::Done> ReadWaiters::take(Ticket ticket) {
  if (auto read = reads_.extract(ticket)) {
    // Nothing is fetched any more for somebody who does not wait.
    if (reads_.empty()) {
      demanded_.clear();
    } else if (std::find(demanded_.begin(), demanded_.end(), read.mapped().range) !=
               demanded_.end()) {
      demand_again();
    }
    return std::move(read.mapped().done);
  }
  if (auto listener = listeners_.extract(ticket)) return std::move(listener.mapped());
  return std::nullopt;
}

std::vector<ReadWaiters::Done> ReadWaiters::take_all(Whom whom) {
  std::vector<Done> all;
  for (auto& [ticket, waiting] : std::exchange(reads_, {})) all.push_back(std::move(waiting.done));
  demanded_.clear();
  if (whom == Whom::kReaders) return all;
  for (auto& [ticket, done] : std::exchange(listeners_, {})) all.push_back(std::move(done));
  return all;
}

std::vector<ReadWaiters::Done> ReadWaiters::take_reads_until(Ticket last) {
  std::vector<Done> taken;
  const auto end = reads_.upper_bound(last);
  for (auto at = reads_.begin(); at != end; ++at) taken.push_back(std::move(at->second.done));
  reads_.erase(reads_.begin(), end);
  demand_again();
  return taken;
}

std::vector<ReadWaiters::Read> ReadWaiters::reads() const {
  std::vector<Read> all;
  all.reserve(reads_.size());
  for (const auto& [ticket, waiting] : reads_) all.push_back({ticket, waiting.range});
  return all;
}

void ReadWaiters::satisfied(const base::ByteRange& range) { std::erase(demanded_, range); }

void ReadWaiters::demand(const base::ByteRange& range) {
  const bool covered = std::any_of(demanded_.begin(), demanded_.end(),
                                   [&](const auto& known) { return known.contains(range); });
  if (!covered) demanded_.push_back(range);
}

void ReadWaiters::demand_again() {
  demanded_.clear();
  for (const auto& [ticket, waiting] : reads_) demand(waiting.range);
}

}  // namespace castool::pull
