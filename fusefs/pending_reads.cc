#include "fusefs/pending_reads.h"

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace castool::fusefs {

struct PendingReads::Entry {
  std::shared_ptr<FillingFile> file;
  base::ByteRange range;
  Ended ended;
  FillingBlob::Ticket ticket = 0;  // once want() has returned
  bool started = false;
  bool interrupted = false;
};

// Whoever takes an entry out ends that read.
class PendingReads::Table {
 public:
  Number add(Entry entry) {
    const base::MutexLock lock(mutex_);
    const Number number = ++last_;
    entries_.emplace(number, std::move(entry));
    return number;
  }

  std::optional<Entry> take(Number number) {
    const base::MutexLock lock(mutex_);
    return take_locked(number);
  }

  // The file and range to ask for; or the entry, when it has to end without.
  struct Start {
    std::optional<Entry> ended;
    std::shared_ptr<FillingFile> file;
    base::ByteRange range;
  };
  Start start(Number number) {
    const base::MutexLock lock(mutex_);
    const auto found = entries_.find(number);
    if (found == entries_.end()) return {};
    Entry& entry = found->second;
    if (entry.interrupted || closed_) return {take_locked(number), nullptr, {}};
    entry.started = true;
    return {std::nullopt, entry.file, entry.range};
  }

  // False when the read has ended meanwhile.
  bool set_ticket(Number number, FillingBlob::Ticket ticket) {
    const base::MutexLock lock(mutex_);
    const auto found = entries_.find(number);
    if (found == entries_.end()) return false;
    found->second.ticket = ticket;
    return true;
  }

  std::optional<Entry> interrupt(Number number) {
    const base::MutexLock lock(mutex_);
    const auto found = entries_.find(number);
    if (found == entries_.end()) return std::nullopt;
    found->second.interrupted = true;
    if (!found->second.started) return std::nullopt;
    return take_locked(number);
  }

  // All of `file`, or all when it is null. One that is not started yet is left to start().
  std::vector<Entry> take_all(const FillingFile* file) {
    std::vector<Entry> taken;
    const base::MutexLock lock(mutex_);
    if (file == nullptr) closed_ = true;
    for (auto at = entries_.begin(); at != entries_.end();) {
      const bool ours = at->second.started && (file == nullptr || at->second.file.get() == file);
      if (ours) taken.push_back(std::move(at->second));
      at = ours ? entries_.erase(at) : std::next(at);
    }
    changed_.notify_all();
    return taken;
  }

  std::size_t size() const {
    const base::MutexLock lock(mutex_);
    return entries_.size();
  }

  bool wait_until_none(std::chrono::steady_clock::time_point deadline) {
    const base::MutexLock lock(mutex_);
    while (!entries_.empty()) {
      if (!changed_.wait_until(mutex_, deadline)) return entries_.empty();
    }
    return true;
  }

 private:
  std::optional<Entry> take_locked(Number number) CASTOOL_REQUIRES(mutex_) {
    const auto found = entries_.find(number);
    if (found == entries_.end()) return std::nullopt;
    std::optional<Entry> entry(std::move(found->second));
    entries_.erase(found);
    if (entries_.empty()) changed_.notify_all();
    return entry;
  }

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  Number last_ CASTOOL_GUARDED_BY(mutex_) = 0;
  bool closed_ CASTOOL_GUARDED_BY(mutex_) = false;
  std::unordered_map<Number, Entry> entries_ CASTOOL_GUARDED_BY(mutex_);
};

PendingReads::PendingReads(std::shared_ptr<Gate> gate)
    : table_(std::make_shared<Table>()), gate_(std::move(gate)) {}

PendingReads::Number PendingReads::add(std::shared_ptr<FillingFile> file,
                                       const base::ByteRange& range, Ended ended) {
  return table_->add({std::move(file), range, std::move(ended), 0, false, false});
}

void PendingReads::start(Number number) {
  const Table::Start start = table_->start(number);
  if (start.ended) {
    start.ended->ended(start.ended->interrupted ? How::kInterrupted : How::kGivenUp, base::ok());
    return;
  }
  if (!start.file) return;
  const FillingBlob::Ticket ticket = start.file->blob().want(
      start.range, [table = table_, gate = gate_, number](const base::Status& status) {
        const Gate::Pass pass(*gate);
        if (!pass) return;
        if (auto entry = table->take(number)) entry->ended(How::kWanted, status);
      });
  if (ticket != 0 && !table_->set_ticket(number, ticket)) start.file->blob().cancel(ticket);
}

void PendingReads::interrupt(Number number) {
  const auto entry = table_->interrupt(number);
  if (!entry) return;
  entry->ended(How::kInterrupted, base::ok());
  if (entry->ticket != 0) entry->file->blob().cancel(entry->ticket);
}

void PendingReads::give_up(const FillingFile& file) {
  for (const Entry& entry : table_->take_all(&file)) {
    entry.ended(How::kGivenUp, base::ok());
    if (entry.ticket != 0) entry.file->blob().cancel(entry.ticket);
  }
}

void PendingReads::close() {
  for (const Entry& entry : table_->take_all(nullptr)) {
    entry.ended(How::kGivenUp, base::ok());
    if (entry.ticket != 0) entry.file->blob().cancel(entry.ticket);
  }
}

std::size_t PendingReads::size() const { return table_->size(); }

bool PendingReads::wait_until_none(std::chrono::steady_clock::time_point deadline) {
  return table_->wait_until_none(deadline);
}

}  // namespace castool::fusefs
