#include "fetch/host_backoff.h"

#include <algorithm>

namespace castool::fetch {
namespace {

std::string key_of(const Origin& origin) {
  return origin.scheme + "://" + origin.host + ":" + std::to_string(origin.port);
}

}  // namespace

void HostBackoff::defer(const Origin& origin, base::Clock::Monotonic until) {
  const std::string key = key_of(origin);
  base::MutexLock lock(mutex_);
  const auto [place, added] = until_.emplace(key, until);
  if (!added) place->second = std::max(place->second, until);
}

base::Clock::Monotonic HostBackoff::free_at(const Origin& origin) const {
  const std::string key = key_of(origin);
  base::MutexLock lock(mutex_);
  const auto place = until_.find(key);
  return place == until_.end() ? base::Clock::Monotonic::min() : place->second;
}

}  // namespace castool::fetch
