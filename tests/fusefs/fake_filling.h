// One blob whose bytes arrive when the test says so.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "fusefs/blob_filler.h"

namespace castool::fusefs::testing {

// Arrives in steps of 64 KiB.
class FakeFilling final : public FillingBlob {
 public:
  static constexpr std::uint64_t kStep = 64 * 1024;

  explicit FakeFilling(std::string bytes)
      : bytes_(std::move(bytes)), fd_(::memfd_create("filling", MFD_CLOEXEC)) {
    if (::ftruncate(fd_.get(), static_cast<off_t>(bytes_.size())) != 0) fd_.reset();
    here_.resize(steps_);
  }

  [[nodiscard]] int fd() const override { return fd_.get(); }
  Ticket want(const base::ByteRange& range, Done done) override {
    return ask(range, std::move(done));
  }
  Ticket settled(Done done) override { return ask({}, std::move(done)); }
  [[nodiscard]] std::string given_out() override { return "given out"; }
  void go_on_from(const std::string& given_out) override {
    const base::MutexLock lock(mutex_);
    went_on_from_ = given_out;
  }
  [[nodiscard]] std::string went_on_from() const {
    const base::MutexLock lock(mutex_);
    return went_on_from_;
  }
  void cancel(Ticket ticket) override {
    Done done;
    {
      const base::MutexLock lock(mutex_);
      const auto found = asked_.find(ticket);
      if (found == asked_.end()) return;
      done = std::move(found->second.done);
      asked_.erase(found);
      ++cancelled_;
    }
    done(base::make_error(base::Code::kCancelled, "cancelled"));
  }

  [[nodiscard]] std::size_t steps() const { return steps_; }
  // Whole steps, with these bytes or with wrong ones.
  void arrive(std::size_t step) { put(step, {}); }
  void arrive_wrong(std::size_t step) { put(step, std::string(kStep, '!')); }
  void arrive_all() {
    for (std::size_t step = 0; step < steps_; ++step) put(step, {});
  }
  void verify() {
    const base::MutexLock lock(mutex_);
    state_ = State::kVerified;
  }
  // To be called after verify(), which only makes later questions know it.
  void tell() { end(base::ok()); }
  void fail_reads(base::Code code) { end(base::make_error(code, "the origin is gone"), true); }
  void poison() {
    {
      const base::MutexLock lock(mutex_);
      state_ = State::kPoisoned;
    }
    end(mismatch());
  }

  [[nodiscard]] bool poisoned() const {
    const base::MutexLock lock(mutex_);
    return state_ == State::kPoisoned;
  }
  // Reads that wait.
  [[nodiscard]] std::size_t waiting() const {
    const base::MutexLock lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        asked_.begin(), asked_.end(), [](const auto& a) { return !a.second.range.empty(); }));
  }
  [[nodiscard]] std::size_t wants() const {
    const base::MutexLock lock(mutex_);
    return wants_;
  }
  [[nodiscard]] std::size_t cancelled() const {
    const base::MutexLock lock(mutex_);
    return cancelled_;
  }

 private:
  enum class State { kArriving, kVerified, kPoisoned };
  struct Asked {
    base::ByteRange range;  // empty: what becomes of the whole
    Done done;
  };

  static base::Error mismatch() {
    return base::make_error(base::Code::kDigestMismatch, "the origin's bytes are wrong");
  }

  [[nodiscard]] bool is_here(const base::ByteRange& range) const CASTOOL_REQUIRES(mutex_) {
    for (std::uint64_t step = range.offset / kStep; step * kStep < range.end(); ++step) {
      if (!here_[step]) return false;
    }
    return true;
  }

  Ticket ask(const base::ByteRange& range, Done done) {
    base::Status answer = base::ok();
    {
      const base::MutexLock lock(mutex_);
      if (!range.empty()) ++wants_;
      const bool known = state_ == State::kVerified || (!range.empty() && is_here(range));
      if (state_ == State::kPoisoned) {
        answer = mismatch();
      } else if (!known) {
        asked_.emplace(++last_, Asked{range, std::move(done)});
        return last_;
      }
    }
    done(answer);
    return 0;
  }

  void put(std::size_t step, const std::string& wrong) {
    const std::uint64_t offset = step * kStep;
    const std::size_t size = std::min<std::size_t>(kStep, bytes_.size() - offset);
    const char* from = wrong.empty() ? bytes_.data() + offset : wrong.data();
    if (::pwrite(fd_.get(), from, size, static_cast<off_t>(offset)) != static_cast<ssize_t>(size))
      std::abort();
    std::vector<Done> ready;
    {
      const base::MutexLock lock(mutex_);
      here_[step] = true;
      for (auto at = asked_.begin(); at != asked_.end();) {
        const bool done = !at->second.range.empty() && is_here(at->second.range);
        if (done) ready.push_back(std::move(at->second.done));
        at = done ? asked_.erase(at) : std::next(at);
      }
    }
    for (const Done& done : ready) done(base::ok());
  }

  void end(const base::Status& status, bool reads_only = false) {
    std::vector<Done> ready;
    {
      const base::MutexLock lock(mutex_);
      for (auto at = asked_.begin(); at != asked_.end();) {
        const bool ours = !reads_only || !at->second.range.empty();
        if (ours) ready.push_back(std::move(at->second.done));
        at = ours ? asked_.erase(at) : std::next(at);
      }
    }
    for (const Done& done : ready) done(status);
  }

  const std::string bytes_;
  const std::size_t steps_ = (bytes_.size() + kStep - 1) / kStep;
  base::UniqueFd fd_;
  mutable base::Mutex mutex_;
  std::vector<bool> here_ CASTOOL_GUARDED_BY(mutex_);
  State state_ CASTOOL_GUARDED_BY(mutex_) = State::kArriving;
  Ticket last_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::map<Ticket, Asked> asked_ CASTOOL_GUARDED_BY(mutex_);
  std::string went_on_from_ CASTOOL_GUARDED_BY(mutex_);
  std::size_t wants_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::size_t cancelled_ CASTOOL_GUARDED_BY(mutex_) = 0;
};

}  // namespace castool::fusefs::testing
