#include "pull/fill_allowance.h"

#include <chrono>

#include <fmt/format.h>

#include "cas/quota_store.h"
#include "pull/quota.h"

namespace castool::pull {

using base::MutexLock;
using base::Result;

namespace {

constexpr auto kBelieved = std::chrono::seconds(5);

}  // namespace

FillAllowance::Room::~Room() { left_is(0); }

void FillAllowance::Room::left_is(std::uint64_t bytes) {
  if (bytes >= left_) return;
  const MutexLock lock(allowance_.mutex_);
  allowance_.on_way_ -= left_ - bytes;
  left_ = bytes;
}

Result<std::shared_ptr<FillAllowance::Room>> FillAllowance::take(std::uint64_t bytes) {
  CASTOOL_ASSIGN(const auto limit, cas::read_quota(store_, ns_));
  if (!limit) return std::shared_ptr<Room>();
  const auto now = store_.clock().now();
  for (bool count = false;; count = true) {
    std::uint64_t held = 0;
    if (count) {
      CASTOOL_ASSIGN(const Charges charges, charges_of(store_, ns_, {}));
      held = total(charges);
    }
    const MutexLock lock(mutex_);
    if (count) {
      held_ = held;
      since_ = on_way_;
      when_ = now;
      counted_ = true;
    }
    if (counted_ && now < when_ + kBelieved && fits(bytes, *limit)) {
      since_ += bytes;
      on_way_ += bytes;
      return std::make_shared<Room>(*this, bytes);
    }
    if (!count) continue;
    return base::make_error(
        base::Code::kQuota,
        fmt::format("namespace {} may hold {} bytes and holds {}; what is read is not here", ns_,
                    *limit, held_),
        "remove models, or raise it with castool quota");
  }
}

}  // namespace castool::pull
