#include "pull/read_rights.h"

#include <chrono>
#include <utility>

#include "cas/deliveries.h"
#include "cas/ref_store.h"
#include "manifest/ref_record.h"
#include "pull/model_blobs.h"

namespace castool::pull {

using base::Digest;
using base::Result;

namespace {

constexpr auto kBelieved = std::chrono::seconds(1);

}  // namespace

bool ReadRights::may_read(const std::string& origin, const Digest& digest) {
  if (cas::may_attach(store_, origin, digest)) return true;
  const auto held = holds(digest);
  if (!held) store_.log().warn("what {} holds is not known: {}", ns_, held.error().text());
  return held && *held;
}

Result<bool> ReadRights::holds(const Digest& digest) {
  const auto now = store_.clock().now();
  {
    const base::MutexLock lock(mutex_);
    if (held_ && now < looked_ + kBelieved) return held_->contains(digest);
  }
  CASTOOL_ASSIGN(auto fresh, look());
  const auto held = std::make_shared<const Digests>(std::move(fresh));
  const base::MutexLock lock(mutex_);
  held_ = held;
  looked_ = now;
  return held->contains(digest);
}

// What cannot be read names nothing.
Result<ReadRights::Digests> ReadRights::look() const {
  Digests held;
  const auto add = [&](manifest::ModelKind kind, const Digest& manifest) {
    const auto blobs = model_blobs(store_, kind, manifest);
    if (!blobs) return;
    for (const ModelBlob& blob : *blobs) held.insert(blob.digest);
  };
  CASTOOL_ASSIGN(const auto refs, cas::RefStore::list(store_, ns_));
  for (const auto& [name, bytes] : refs) {
    const auto record = manifest::parse_ref_record(bytes);
    // What a partial ref lacks it has not obtained yet.
    if (!record || record->state != manifest::RefState::kComplete) continue;
    add(record->kind, record->manifest);
    for (const auto& attachment : record->attachments)
      add(manifest::ModelKind::kHub, attachment.manifest);
  }
  return held;
}

}  // namespace castool::pull
