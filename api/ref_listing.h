// The models of a namespace as one listing after another needs them: what was made of a ref's
// record is kept for as long as the record is the same, byte for byte.
//
// Safe from any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "cas/ref_store.h"
#include "manifest/ref_record.h"

namespace castool::api {

// One ref at one moment.
struct ListedRef {
  std::string bytes;  // as the store has them
  manifest::RefRecord record;
};

class RefListing {
 public:
  using Refs = std::vector<std::shared_ptr<const ListedRef>>;

  // Both outlive this.
  RefListing(const cas::RefStore& refs, base::Log& log) : refs_(refs), log_(log) {}

  // In the order of names; what cannot be read is logged and left out.
  [[nodiscard]] base::Result<Refs> now() CASTOOL_EXCLUDES(mutex_);

 private:
  using Known = std::map<std::string, std::shared_ptr<const ListedRef>, std::less<>>;

  const cas::RefStore& refs_;
  base::Log& log_;
  base::Mutex mutex_;
  std::shared_ptr<const Known> known_ CASTOOL_GUARDED_BY(mutex_) = std::make_shared<Known>();
};

}  // namespace castool::api
