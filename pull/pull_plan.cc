#include "pull/pull_plan.h"

#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/hasher.h"
#include "cas/deliveries.h"
#include "cas/partial.h"
#include "pull/hub_error.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Digest;
using base::Error;
using base::make_error;
using base::Result;
using base::Status;

// What makes two files the same content: the digest, else the git id.
std::string content_key(const RemoteFile& file) {
  if (file.digest) return file.digest->text();
  return "git-sha1:" + file.git_oid.value_or(base::GitOid()).hex();
}

Error contradiction(const RemoteFile& file, std::string_view what) {
  Error error =
      make_error(Code::kDigestMismatch, fmt::format("'{}': {}", printable(file.path), what));
  if (file.digest) error.digest = file.digest->text();
  return error;
}

Status check_empty(const RemoteFile& file) {
  const bool digest_ok = !file.digest || *file.digest == base::Sha256::of(std::string_view());
  const bool oid_ok = !file.git_oid || *file.git_oid == base::GitBlobHasher(0).finish();
  if (digest_ok && oid_ok) return base::ok();
  return contradiction(file, "the origin says it is empty and gives it another digest");
}

Status decide(const cas::Store& store, const RemoteModel& model, Extent extent, PlannedBlob& blob) {
  const RemoteFile& file = model.files[blob.files.front()];
  if (blob.size == 0) {
    CASTOOL_RETURN_IF_ERROR(check_empty(file));
    blob.digest = base::Sha256::of(std::string_view());
  }
  if (!blob.digest && blob.git_oid) {
    blob.digest = store.find_alias(cas::origin_key(model.origin), *blob.git_oid);
  }
  std::optional<std::uint64_t> stored;
  if (blob.digest) {
    CASTOOL_ASSIGN(stored, store.size_of(*blob.digest));
  }
  // Git ids are translated only by what this origin delivered.
  const bool delivered =
      stored && (!file.digest || cas::may_attach(store, model.origin, *blob.digest));
  if (stored && *stored != blob.size && !delivered) {
    stored.reset();  // what others have tells this origin nothing
  } else if (stored && *stored != blob.size) {
    return contradiction(
        file, fmt::format("the origin says {} bytes, the store has {} of that digest", blob.size,
                          *stored));
  }
  blob.route = route_of(blob.size, stored.has_value(), file.digest.has_value(), extent);
  return base::ok();
}

}  // namespace

Route route_of(std::uint64_t size, bool in_store, bool digest_known, Extent extent) {
  if (in_store) return Route::kReuse;
  if (size == 0) return Route::kEmpty;
  if (!digest_known || size <= cas::kChunkSize) return Route::kWhole;
  return extent == Extent::kLazy ? Route::kLater : Route::kRanges;
}

Result<PullPlan> make_plan(const cas::Store& store, const RemoteModel& model, Extent extent) {
  PullPlan plan;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < model.files.size(); ++i) {
    const RemoteFile& file = model.files[i];
    const auto [entry, fresh] = known.try_emplace(content_key(file), plan.blobs.size());
    if (fresh) plan.blobs.push_back({{}, file.size, Route::kWhole, file.digest, file.git_oid});
    PlannedBlob& blob = plan.blobs[entry->second];
    if (blob.size != file.size) {
      return make_error(Code::kBadManifest,
                        fmt::format("one content has two sizes, {} and {}: '{}'", blob.size,
                                    file.size, printable(file.path)));
    }
    blob.files.push_back(i);
  }
  for (auto& blob : plan.blobs) CASTOOL_RETURN_IF_ERROR(decide(store, model, extent, blob));
  return plan;
}

Result<std::uint64_t> bytes_needed(const cas::Store& store, const RemoteModel& model,
                                   const PullPlan& plan) {
  CASTOOL_ASSIGN(const auto partials, cas::list_partials(store));
  std::set<Digest> reserved;
  for (const auto& partial : partials) {
    if (partial.origin == model.origin) reserved.insert(partial.digest);
  }
  std::uint64_t needed = 0;
  for (const auto& blob : plan.blobs) {
    const bool missing = blob.route == Route::kWhole || blob.route == Route::kRanges;
    if (!missing || (blob.digest && reserved.count(*blob.digest) > 0)) continue;
    if (__builtin_add_overflow(needed, blob.size, &needed)) {
      return make_error(Code::kBadManifest, "the sizes add up to more than any disk holds");
    }
  }
  return needed;
}

Status check_free_space(const cas::Store& store, std::uint64_t wanted) {
  CASTOOL_ASSIGN(const std::uint64_t free, store.free_bytes());
  const std::uint64_t reserve = wanted / 100;
  if (wanted <= free && reserve <= free - wanted) return base::ok();
  return make_error(Code::kNoSpace,
                    fmt::format("{} more bytes are needed and {} are free at {}", wanted + reserve,
                                free, store.root()),
                    "free some space; nothing was fetched");
}

}  // namespace castool::pull
