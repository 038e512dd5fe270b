#include "api/ref_listing.h"

#include <utility>

namespace castool::api {

base::Result<RefListing::Refs> RefListing::now() {
  std::shared_ptr<const Known> before;
  {
    const base::MutexLock lock(mutex_);
    before = known_;
  }
  CASTOOL_ASSIGN(auto named, refs_.list());
  Refs refs;
  refs.reserve(named.size());
  auto now = std::make_shared<Known>();
  for (cas::NamedRecord& entry : named) {
    const auto known = before->find(entry.name);
    std::shared_ptr<const ListedRef> ref;
    if (known != before->end() && known->second->bytes == entry.bytes) {
      ref = known->second;
    } else {
      auto record = manifest::parse_ref_record(entry.bytes);
      if (!record) {
        log_.warn("{}: its record cannot be read: {}", entry.name, record.error().text());
        continue;
      }
      record->name = entry.name;
      ref =
          std::make_shared<const ListedRef>(ListedRef{std::move(entry.bytes), *std::move(record)});
    }
    now->emplace_hint(now->end(), std::move(entry.name), ref);
    refs.push_back(std::move(ref));
  }
  const base::MutexLock lock(mutex_);
  known_ = std::move(now);
  return refs;
}

}  // namespace castool::api
