#include "pull/proof_sink.h"

#include <algorithm>
#include <utility>

#include "base/mutex.h"
#include "cas/read_file.h"

namespace castool::pull {

struct ProofSink::State {
  State(cas::Blob stored, std::vector<base::ByteRange> asked)
      : blob(std::move(stored)), waiting(std::move(asked)), left(waiting.size()) {}

  const cas::Blob blob;
  base::Mutex mutex;
  std::vector<base::ByteRange> waiting CASTOOL_GUARDED_BY(mutex);  // nobody works on them
  std::size_t left CASTOOL_GUARDED_BY(mutex);                      // not compared to their end
  bool differs CASTOOL_GUARDED_BY(mutex) = false;
};

class ProofSink::Writer final : public fetch::RangeWriter {
 public:
  Writer(std::shared_ptr<State> state, const base::ByteRange& range)
      : state_(std::move(state)), range_(range), next_(range.offset) {}
  ~Writer() override {
    if (next_ == range_.end()) return;
    const base::MutexLock lock(state_->mutex);
    state_->waiting.push_back(range_);
  }

  [[nodiscard]] std::uint64_t next_offset() const override { return next_; }
  [[nodiscard]] std::uint64_t end_offset() const override { return range_.end(); }

  [[nodiscard]] base::Status append(std::span<const std::byte> bytes) override {
    std::vector<std::byte> stored(bytes.size());
    CASTOOL_ASSIGN(const std::size_t got,
                   cas::read_at(state_->blob.fd.get(), next_, std::span(stored)));
    const bool same = got == bytes.size() && std::ranges::equal(stored, bytes);
    next_ += bytes.size();
    const base::MutexLock lock(state_->mutex);
    if (!same) state_->differs = true;
    if (next_ == range_.end()) --state_->left;
    return base::ok();
  }

 private:
  const std::shared_ptr<State> state_;
  const base::ByteRange range_;
  std::uint64_t next_;
};

ProofSink::ProofSink(cas::Blob blob, std::vector<base::ByteRange> ranges)
    : state_(std::make_shared<State>(std::move(blob), std::move(ranges))) {}
ProofSink::~ProofSink() = default;

std::uint64_t ProofSink::size() const { return state_->blob.size; }

base::Result<std::unique_ptr<fetch::RangeWriter>> ProofSink::claim(std::uint64_t) {
  const base::MutexLock lock(state_->mutex);
  if (state_->waiting.empty()) return std::unique_ptr<fetch::RangeWriter>();
  const base::ByteRange range = state_->waiting.back();
  state_->waiting.pop_back();
  return std::unique_ptr<fetch::RangeWriter>(std::make_unique<Writer>(state_, range));
}

bool ProofSink::complete() {
  const base::MutexLock lock(state_->mutex);
  return state_->left == 0;
}

std::uint64_t ProofSink::present() {
  const base::MutexLock lock(state_->mutex);
  return state_->left == 0 ? state_->blob.size : 0;
}

bool ProofSink::same() const {
  const base::MutexLock lock(state_->mutex);
  return !state_->differs;
}

}  // namespace castool::pull
