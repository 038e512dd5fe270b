// Which stored blobs a namespace may read through a model that lacks some of what its manifest
// names: one that was pulled lazily, whose manifest may name what others brought here.
//
// It may read what the model's own origin delivered to this store, what a complete model of the
// namespace has, and the empty blob. Everything else is as good as absent: it comes from the
// model's origin. A complete model was held to the attach rule (attach.h) when it became complete,
// so nobody asks about its blobs here.
//
// Safe from any thread. What the namespace holds is looked up when it is needed and believed for a
// second.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::pull {

class ReadRights {
 public:
  // The store outlives this.
  ReadRights(const cas::Store& store, std::string ns) : store_(store), ns_(std::move(ns)) {}

  // Of a blob that is stored; `origin` is the model's. False when it cannot be found out.
  [[nodiscard]] bool may_read(const std::string& origin, const base::Digest& digest);
  // Whether a complete model of the namespace names it.
  [[nodiscard]] base::Result<bool> holds(const base::Digest& digest);

 private:
  using Digests = std::unordered_set<base::Digest>;
  [[nodiscard]] base::Result<Digests> look() const;

  const cas::Store& store_;
  const std::string ns_;
  base::Mutex mutex_;
  std::shared_ptr<const Digests> held_ CASTOOL_GUARDED_BY(mutex_);
  base::Clock::Monotonic looked_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::pull
