#include "pull/quota.h"

#include <fmt/format.h>

#include "cas/deliveries.h"
#include "cas/partial.h"
#include "cas/quota_store.h"
#include "cas/ref_store.h"
#include "manifest/ref_record.h"
#include "pull/model_blobs.h"

namespace castool::pull {
namespace {

using base::Digest;
using base::Result;
using base::Status;

// Whether all that is stored counts, or what that origin delivered: what a model that lacks some of
// its blobs may read through no other model of the namespace.
enum class Counts { kStored, kDelivered };

Status charge(const cas::Store& store, const Digest& digest, const std::string& origin,
              Counts counts, Charges& charges) {
  if (charges.contains(digest)) return base::ok();
  CASTOOL_ASSIGN(const auto stored, store.size_of(digest));
  if (stored && (counts == Counts::kStored || cas::may_attach(store, origin, digest))) {
    charges[digest] = *stored;
    return base::ok();
  }
  CASTOOL_ASSIGN(const auto partial, cas::find_partial(store, digest, origin));
  if (partial) charges[digest] = partial->present;
  return base::ok();
}

Status charge_model(const cas::Store& store, manifest::ModelKind kind, const Digest& manifest,
                    const std::string& origin, Counts counts, Charges& charges) {
  CASTOOL_RETURN_IF_ERROR(charge(store, manifest, origin, Counts::kStored, charges));
  const auto blobs = model_blobs(store, kind, manifest);
  if (!blobs) return base::ok();
  for (const ModelBlob& blob : *blobs) {
    CASTOOL_RETURN_IF_ERROR(charge(store, blob.digest, origin, counts, charges));
  }
  return base::ok();
}

}  // namespace

Result<Charges> charges_of(const cas::Store& store, const std::string& ns,
                           const std::string& except) {
  Charges charges;
  CASTOOL_ASSIGN(const auto all, cas::RefStore::list(store, ns));
  std::vector<manifest::RefRecord> lacking;
  for (const auto& [name, bytes] : all) {
    auto record = manifest::parse_ref_record(bytes);
    if (!record || name == except) continue;
    for (const auto& attachment : record->attachments) {
      CASTOOL_RETURN_IF_ERROR(charge_model(store, manifest::ModelKind::kHub, attachment.manifest,
                                           attachment.origin, Counts::kStored, charges));
    }
    if (record->state == manifest::RefState::kComplete) {
      CASTOOL_RETURN_IF_ERROR(charge_model(store, record->kind, record->manifest, record->origin,
                                           Counts::kStored, charges));
    } else {
      lacking.push_back(*std::move(record));
    }
  }
  for (const manifest::RefRecord& record : lacking) {
    CASTOOL_RETURN_IF_ERROR(charge_model(store, record.kind, record.manifest, record.origin,
                                         Counts::kDelivered, charges));
  }
  return charges;
}

std::uint64_t total(const Charges& charges) {
  std::uint64_t sum = 0;
  for (const auto& [digest, bytes] : charges) sum += bytes;
  return sum;
}

Status check_quota(const Charges& held, const Charges& more, std::uint64_t unnamed_bytes,
                   std::uint64_t limit, const std::string& ns) {
  const std::uint64_t before = total(held);
  std::uint64_t after = before + unnamed_bytes;
  for (const auto& [digest, bytes] : more) {
    const auto known = held.find(digest);
    const std::uint64_t had = known == held.end() ? 0 : known->second;
    after += bytes > had ? bytes - had : 0;
  }
  if (after <= limit) return base::ok();
  return base::make_error(base::Code::kQuota,
                          fmt::format("namespace {} may hold {} bytes, holds {} and would hold {}",
                                      ns, limit, before, after),
                          "remove models, or raise it with castool quota");
}

Status check_quota_of(const cas::Store& store, const std::string& ns, const Digest& digest,
                      std::uint64_t size) {
  CASTOOL_ASSIGN(const auto limit, cas::read_quota(store, ns));
  if (!limit) return base::ok();
  CASTOOL_ASSIGN(const auto held, charges_of(store, ns, {}));
  return check_quota(held, {{digest, size}}, 0, *limit, ns);
}

Status check_quota_for(const cas::Store& store, const std::string& ns, const std::string& name,
                       const PullPlan& plan) {
  CASTOOL_ASSIGN(const auto limit, cas::read_quota(store, ns));
  if (!limit) return base::ok();
  Charges more;
  std::uint64_t unnamed = 0;
  for (const auto& blob : plan.blobs) {
    if (is_left(blob)) continue;  // readers are charged as they read
    if (blob.digest) {
      more[*blob.digest] = blob.size;
    } else {
      unnamed += blob.size;
    }
  }
  CASTOOL_ASSIGN(const auto held, charges_of(store, ns, name));
  return check_quota(held, more, unnamed, *limit, ns);
}

}  // namespace castool::pull
