#include "fusefs/filling_file.h"

#include <chrono>
#include <utility>

namespace castool::fusefs {

base::Result<std::shared_ptr<FillingFile>> FillingFile::open(BlobFiller& filler,
                                                             const WantedBlob& wanted, Self self) {
  CASTOOL_ASSIGN(std::shared_ptr<FillingBlob> blob, filler.open(wanted));
  return std::shared_ptr<FillingFile>(new FillingFile(std::move(blob), wanted, self));
}

FillingFile::FillingFile(std::shared_ptr<FillingBlob> blob, WantedBlob wanted, Self self)
    : blob_(std::move(blob)),
      wanted_(std::move(wanted)),
      self_(self),
      mapped_(blob_->fd(), wanted_.size) {}

FillingFile::~FillingFile() {
  if (watching_ != 0) blob_->cancel(watching_);
}

void FillingFile::watch(FillingBlob::Done done) { watching_ = blob_->settled(std::move(done)); }

std::optional<Slice> FillingFile::slice(const base::ByteRange& range) {
  {
    const base::MutexLock lock(mutex_);
    if (poisoned_) return std::nullopt;
    ++out_;
  }
  Slice slice;
  slice.owner = std::shared_ptr<const void>(
      this, [self = shared_from_this()](const void*) { self->slice_is_back(); });
  slice.digest = wanted_.digest;
  slice.fd = blob_->fd();
  slice.offset = range.offset;
  slice.size = static_cast<std::size_t>(range.length);
  if (mapped_.data() != nullptr) slice.data = mapped_.data() + range.offset;
  return slice;
}

void FillingFile::slice_is_back() {
  std::function<void()> then;
  {
    const base::MutexLock lock(mutex_);
    if (--out_ == 0) then.swap(then_);
  }
  if (then) then();
}

bool FillingFile::poison() {
  const base::MutexLock lock(mutex_);
  return !std::exchange(poisoned_, true);
}

bool FillingFile::poisoned() const {
  const base::MutexLock lock(mutex_);
  return poisoned_;
}

void FillingFile::when_idle(std::function<void()> then) {
  {
    const base::MutexLock lock(mutex_);
    if (out_ > 0) {
      then_ = std::move(then);
      return;
    }
  }
  then();
}

bool FillingFile::log_now() {
  constexpr std::int64_t kQuiet = std::chrono::nanoseconds(std::chrono::seconds(10)).count();
  const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  std::int64_t until = quiet_until_;
  return now >= until && quiet_until_.compare_exchange_strong(until, now + kQuiet);
}

}  // namespace castool::fusefs
