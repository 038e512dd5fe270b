// One blob's address for all the jobs that fetch of it at once: asked for once, and again once when
// it stops working, however many notice.
#pragma once

#include <memory>
#include <stop_token>

#include "base/clock.h"
#include "base/mutex.h"
#include "fetch/downloader.h"

namespace castool::pull {

// Safe from any thread. The question is asked on the thread of one job while others wait for it.
class SharedAddress : public std::enable_shared_from_this<SharedAddress> {
 public:
  SharedAddress(std::shared_ptr<fetch::AddressBook> book, const base::Clock& clock)
      : book_(std::move(book)), clock_(clock) {}

  // A book for one job: it means by kFresh another address than it was given last.
  [[nodiscard]] std::shared_ptr<fetch::AddressBook> book_for_job();

 private:
  class JobBook;
  [[nodiscard]] base::Result<fetch::BlobAddress> get(std::uint64_t& seen,
                                                     fetch::AddressBook::Need need,
                                                     const std::stop_token& stop)
      CASTOOL_EXCLUDES(mutex_);

  const std::shared_ptr<fetch::AddressBook> book_;
  const base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::optional<fetch::BlobAddress> known_ CASTOOL_GUARDED_BY(mutex_);
  std::uint64_t generation_ CASTOOL_GUARDED_BY(mutex_) = 0;
  bool asking_ CASTOOL_GUARDED_BY(mutex_) = false;
};

}  // namespace castool::pull
