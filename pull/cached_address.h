// An address book that asks only when it has to.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "base/clock.h"
#include "fetch/downloader.h"

namespace castool::pull {

// Keeps the last address while it is good; kFresh always asks. One call at a time, as AddressBook
// says.
class CachedAddress final : public fetch::AddressBook {
 public:
  using Ask = std::function<base::Result<fetch::BlobAddress>(std::stop_token)>;

  CachedAddress(Ask ask, const base::Clock& clock) : ask_(std::move(ask)), clock_(clock) {}

  [[nodiscard]] base::Result<fetch::BlobAddress> address(Need need, std::stop_token stop) override {
    const bool good = known_ && (!known_->expires || clock_.now() < *known_->expires);
    if (need == Need::kFresh || !good) {
      known_.reset();
      CASTOOL_ASSIGN(known_, ask_(std::move(stop)));
    }
    return *known_;
  }

 private:
  const Ask ask_;
  const base::Clock& clock_;
  std::optional<fetch::BlobAddress> known_;
};

}  // namespace castool::pull
