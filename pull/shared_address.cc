#include "pull/shared_address.h"

#include <chrono>
#include <utility>

#include "pull/waiting.h"

namespace castool::pull {
namespace {

constexpr auto kLook = std::chrono::milliseconds(100);

}  // namespace

class SharedAddress::JobBook final : public fetch::AddressBook {
 public:
  explicit JobBook(std::shared_ptr<SharedAddress> shared) : shared_(std::move(shared)) {}
  [[nodiscard]] base::Result<fetch::BlobAddress> address(Need need, std::stop_token stop) override {
    return shared_->get(seen_, need, stop);
  }

 private:
  const std::shared_ptr<SharedAddress> shared_;
  std::uint64_t seen_ = 0;
};

std::shared_ptr<fetch::AddressBook> SharedAddress::book_for_job() {
  return std::make_shared<JobBook>(shared_from_this());
}

base::Result<fetch::BlobAddress> SharedAddress::get(std::uint64_t& seen,
                                                    fetch::AddressBook::Need need,
                                                    const std::stop_token& stop) {
  using Need = fetch::AddressBook::Need;
  bool fresh = false;
  {
    const base::MutexLock lock(mutex_);
    for (;;) {
      const bool good = known_ && (!known_->expires || clock_.now() < *known_->expires);
      if (good && (need == Need::kAny || generation_ > seen)) {
        seen = generation_;
        return *known_;
      }
      if (stop.stop_requested()) return cancelled_error();
      if (!asking_) break;
      changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kLook);
    }
    asking_ = true;
    fresh = known_.has_value();
  }
  auto address = book_->address(fresh ? Need::kFresh : need, stop);
  const base::MutexLock lock(mutex_);
  asking_ = false;
  changed_.notify_all();
  if (!address) return base::failure(std::move(address));
  known_ = *address;
  seen = ++generation_;
  return address;
}

}  // namespace castool::pull
