#include "pull/fsck.h"

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "cas/lease.h"
#include "cas/partial.h"
#include "cas/sweep.h"
#include "pull/blob_mender.h"
#include "pull/fsck_catalogue.h"
#include "pull/manifest_mender.h"
#include "pull/parallel.h"

namespace castool::pull {
namespace {

using base::Digest;
using base::Result;
using base::Status;

class Check {
 public:
  Check(cas::Store& store, const FsckOptions& options, const FsckSources& sources, base::Log& log,
        const std::stop_token& stop)
      : store_(store), options_(options), sources_(sources), log_(log), stop_(stop) {}

  Result<FsckReport> run() {
    if (options_.mode == FsckMode::kRepair) {
      CASTOOL_ASSIGN(lease_, cas::Lease::take(store_, stop_));
    }
    CASTOOL_ASSIGN(catalogue_, read_catalogue(store_, options_, report_.damaged));
    // A manifest that is put right may name more blobs, which are then looked at, too.
    CASTOOL_RETURN_IF_ERROR(check_all(manifests()));
    if (mended_manifest_) {
      CASTOOL_ASSIGN(catalogue_, read_catalogue(store_, options_, discarded_));
    }
    CASTOOL_ASSIGN(const auto rest, others());
    CASTOOL_RETURN_IF_ERROR(check_all(rest));
    if (options_.names.empty()) CASTOOL_RETURN_IF_ERROR(check_strays());
    if (options_.names.empty()) CASTOOL_RETURN_IF_ERROR(check_partials());
    return std::move(report_);
  }

 private:
  [[nodiscard]] bool changes() const { return options_.mode != FsckMode::kOnlyTell; }
  [[nodiscard]] bool repairs() const { return options_.mode == FsckMode::kRepair; }

  [[nodiscard]] std::vector<Digest> manifests() const {
    std::vector<Digest> digests;
    for (const auto& [digest, wanted] : catalogue_) {
      if (wanted.is_manifest && is_in(options_.subset, digest)) digests.push_back(digest);
    }
    return digests;
  }

  Result<std::vector<Digest>> others() {
    std::vector<Digest> digests;
    for (const auto& [digest, wanted] : catalogue_) {
      if (!wanted.is_manifest && is_in(options_.subset, digest)) digests.push_back(digest);
    }
    if (!options_.names.empty()) return digests;
    CASTOOL_ASSIGN(const auto stored, cas::list_blobs(store_));
    for (const auto& blob : stored) {
      if (catalogue_.contains(blob.digest)) continue;
      ++report_.orphans;
      if (is_in(options_.subset, blob.digest)) digests.push_back(blob.digest);
    }
    return digests;
  }

  Status check_all(const std::vector<Digest>& digests) {
    const std::size_t workers = std::max(std::thread::hardware_concurrency(), 1u);
    return run_parallel(
        digests.size(), workers,
        [&](std::size_t i, const std::stop_token& stop) { return check(digests[i], stop); }, stop_);
  }

  Status check(const Digest& digest, const std::stop_token& stop) {
    const auto entry = catalogue_.find(digest);
    const Wanted* wanted = entry == catalogue_.end() ? nullptr : &entry->second;
    const auto size = wanted == nullptr ? std::nullopt : wanted->size;
    CASTOOL_ASSIGN(const auto found, cas::inspect_blob(store_, digest, size, options_.depth, stop));
    if (!found) return wanted == nullptr ? base::ok() : missing(digest, *wanted, stop);
    count(found->blob.size);
    if (!found->good) return bad(*found, wanted, stop);
    if (found->wrong_mode) {
      Damage damage{Trouble::kMode, digest, name_of(wanted), {}, false, {}};
      if (repairs()) note(cas::mend_mode(store_, found->blob), damage);
      add(std::move(damage));
    }
    if (found->wrong_owner) {
      add({Trouble::kOwner, digest, name_of(wanted), {}, false, "chown it to the store's owner"});
    }
    return base::ok();
  }

  static std::string name_of(const Wanted* wanted) {
    return wanted == nullptr ? std::string() : wanted->home.name;
  }

  Status missing(const Digest& digest, const Wanted& wanted, const std::stop_token& stop) {
    if (!wanted.must_be_there) return base::ok();
    const Trouble trouble = wanted.is_manifest ? Trouble::kManifest : Trouble::kMissing;
    Damage damage{trouble, digest, wanted.home.name, {{0, wanted.size.value_or(0)}}, false, {}};
    if (repairs()) note(mend(digest, &wanted, -1, {}, stop), damage);
    add(std::move(damage));
    return base::ok();
  }

  Status bad(const cas::Inspection& found, const Wanted* wanted, const std::stop_token& stop) {
    const Digest& digest = found.blob.digest;
    Damage damage{Trouble::kBytes, digest, name_of(wanted), found.bad, false, {}};
    if (changes()) {
      log_.warn("{} is damaged and goes to quarantine", digest.text());
      CASTOOL_RETURN_IF_ERROR(cas::quarantine_this(store_, found.blob));
    }
    if (repairs()) note(mend(digest, wanted, found.blob.fd.get(), found.bad, stop), damage);
    if (damage.repaired) CASTOOL_RETURN_IF_ERROR(forget_quarantined(digest));
    add(std::move(damage));
    return base::ok();
  }

  Status mend(const Digest& digest, const Wanted* wanted, int old,
              const std::vector<base::ByteRange>& ranges, const std::stop_token& stop) {
    // Nothing needs it: it is put right by going.
    if (wanted == nullptr) return base::ok();
    // Until it is published nothing but its refs speaks for it, and they do.
    Result<std::uint64_t> fetched = 0;
    if (wanted->is_manifest) {
      fetched = fetch_manifest(store_, *sources_.networks, *sources_.origins, *wanted, log_, stop);
    } else {
      BlobMender mender(store_, *sources_.networks, *sources_.sources, log_);
      fetched = mender.mend(wanted->home, {digest, wanted->size.value_or(0), wanted->home.origin},
                            old, ranges, stop);
    }
    if (!fetched) return base::failure(fetched);
    const base::MutexLock lock(mutex_);
    report_.bytes_fetched += *fetched;
    mended_manifest_ = mended_manifest_ || wanted->is_manifest;
    return base::ok();
  }

  // The bad copy takes space and is of no use any more.
  Status forget_quarantined(const Digest& digest) {
    CASTOOL_ASSIGN(const auto files, cas::list_quarantine(store_, kForEver));
    for (const auto& [file, size] : files) {
      if (file.starts_with(digest.hex())) {
        CASTOOL_RETURN_IF_ERROR(cas::remove_quarantined(store_, file));
      }
    }
    return base::ok();
  }

  Status check_strays() {
    CASTOOL_ASSIGN(const auto strays, cas::list_no_blobs(store_));
    for (const std::string& path : strays) {
      Damage damage{Trouble::kStray, std::nullopt, path, {}, false, {}};
      if (changes()) note(cas::quarantine_stray(store_, path), damage);
      add(std::move(damage));
    }
    return base::ok();
  }

  Status check_partials() {
    CASTOOL_ASSIGN(const auto partials, cas::list_partials(store_));
    for (const cas::PartialInfo& partial : partials) {
      if (!is_in(options_.subset, partial.digest)) continue;
      CASTOOL_ASSIGN(auto bad, cas::inspect_partial(store_, partial, stop_));
      ++report_.partials;
      if (bad.empty()) continue;
      Damage damage{Trouble::kPartial, partial.digest, {}, std::move(bad), false, {}};
      if (changes()) note(forget_chunks(partial), damage);
      add(std::move(damage));
    }
    return base::ok();
  }

  Status forget_chunks(const cas::PartialInfo& info) {
    CASTOOL_ASSIGN(const auto partial, store_.open_partial({info.digest, info.size, info.origin},
                                                           cas::Preallocate::kNo, stop_));
    CASTOOL_RETURN_IF_ERROR(partial->recheck());
    return base::ok();
  }

  static void note(const Status& status, Damage& damage) {
    damage.repaired = status.has_value();
    if (!status) damage.why_not = status.error().text();
  }
  void add(Damage damage) {
    const base::MutexLock lock(mutex_);
    report_.damaged.push_back(std::move(damage));
  }
  void count(std::uint64_t bytes) {
    const base::MutexLock lock(mutex_);
    ++report_.checked;
    report_.bytes += bytes;
  }

  static constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();

  cas::Store& store_;
  const FsckOptions& options_;
  const FsckSources& sources_;
  base::Log& log_;
  const std::stop_token& stop_;
  std::shared_ptr<cas::Lease> lease_;
  Catalogue catalogue_;
  std::vector<Damage> discarded_;  // told already
  base::Mutex mutex_;
  bool mended_manifest_ = false;
  FsckReport report_;
};

}  // namespace

bool is_in(const Subset& subset, const Digest& digest) {
  return std::hash<Digest>()(digest) % subset.t == subset.n - 1;
}

std::string_view word(Trouble trouble) {
  switch (trouble) {
    case Trouble::kBytes: return "wrong bytes";
    case Trouble::kMissing: return "missing";
    case Trouble::kManifest: return "missing manifest";
    case Trouble::kRecord: return "unreadable record";
    case Trouble::kMode: return "wrong mode";
    case Trouble::kOwner: return "wrong owner";
    case Trouble::kStray: return "no blob";
    case Trouble::kPartial: return "wrong bytes of an unfinished blob";
  }
  return "";
}

Result<FsckReport> check_store(cas::Store& store, const FsckOptions& options,
                               const FsckSources& sources, base::Log& log,
                               const std::stop_token& stop) {
  return Check(store, options, sources, log, stop).run();
}

}  // namespace castool::pull
