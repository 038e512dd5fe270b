// Hosts that asked to be left alone for a while, known to everybody who talks to them.
//
// A 429 or 503 that one request met holds back all the others to that origin, metadata and ranges
// alike. Safe from any thread.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "fetch/url.h"

namespace castool::fetch {

class HostBackoff {
 public:
  // Nobody asks `origin` before `until`; an earlier, longer wish stays.
  void defer(const Origin& origin, base::Clock::Monotonic until);
  // When `origin` may be asked again; the distant past when it never minded.
  [[nodiscard]] base::Clock::Monotonic free_at(const Origin& origin) const;

 private:
  mutable base::Mutex mutex_;
  std::map<std::string, base::Clock::Monotonic> until_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fetch
