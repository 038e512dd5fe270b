#include "pull/gc.h"

#include <algorithm>
#include <map>
#include <utility>

#include "cas/deliveries.h"
#include "cas/gc_locks.h"
#include "cas/lease.h"
#include "cas/ref_lock.h"
#include "cas/ref_store.h"
#include "cas/sweep.h"
#include "pull/gc_roots.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Result;
using base::Status;

using PartialKeys = std::map<std::pair<base::Digest, std::string>, NeededBy>;

// Whether the ref may be completed from that partial.
bool names(const GcRef& ref, const cas::PartialEntry& partial) {
  return partial.digest && std::ranges::find(ref.origins, partial.origin) != ref.origins.end() &&
         std::ranges::binary_search(ref.digests, *partial.digest);
}

class Collection {
 public:
  Collection(cas::Store& store, const GcOptions& options, const std::stop_token& stop)
      : store_(store), options_(options), stop_(stop) {}

  Result<GcReport> run() {
    // The slow part first, while nobody waits for it: manifests do not change, and a blob that
    // comes after this list is none of this gc's.
    CASTOOL_RETURN_IF_ERROR(read_roots(store_, manifests_));
    CASTOOL_ASSIGN(blobs_, cas::list_blobs(store_));
    for (const auto& blob : blobs_) sizes_.emplace(blob.digest, blob.size);
    {
      base::UniqueFd turn;
      if (deletes()) {
        CASTOOL_ASSIGN(turn, cas::lock_leases(store_, cas::Sweeping::kYes, stop_));
      }
      CASTOOL_RETURN_IF_ERROR(mark());
      CASTOOL_RETURN_IF_ERROR(sweep());
    }
    cas::free_removed(store_, large_);
    return std::move(report_);
  }

 private:
  [[nodiscard]] bool deletes() const { return options_.mode == GcMode::kDelete; }
  [[nodiscard]] std::int64_t now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(
               store_.clock().wall_now().time_since_epoch())
        .count();
  }

  // Leases before refs: work drops its lease after its ref is there.
  Status mark() {
    CASTOOL_ASSIGN(const auto leased,
                   cas::leased_digests(store_, deletes() ? cas::Clean::kYes : cas::Clean::kNo));
    kept_.insert(leased.begin(), leased.end());
    {
      base::UniqueFd turn;
      if (deletes()) {
        CASTOOL_ASSIGN(turn, cas::lock_refs(store_, stop_));
      }
      CASTOOL_ASSIGN(roots_, read_roots(store_, manifests_));
    }
    CASTOOL_ASSIGN(partials_, cas::list_partial_entries(store_));
    for (const GcRef& ref : roots_.refs) live_.insert(ref.digests.begin(), ref.digests.end());
    for (const auto& blob : blobs_) {
      if (live_.contains(blob.digest) || kept_.contains(blob.digest)) continue;
      if (cas::is_open(store_, blob.digest)) kept_.insert(blob.digest);
    }
    if (options_.max_bytes) CASTOOL_RETURN_IF_ERROR(evict(*options_.max_bytes));
    note_needs();
    return base::ok();
  }

  // What a ref could be completed from goes with it, so it counts as its bytes.
  [[nodiscard]] std::uint64_t count_partials(BlobSizes& sizes) const {
    std::uint64_t nobodys = 0;
    for (const auto& partial : partials_) {
      const bool theirs = partial.digest && live_.contains(*partial.digest);
      (theirs ? sizes[*partial.digest] : nobodys) += partial.bytes;
    }
    return nobodys;
  }

  [[nodiscard]] bool in_use(const GcRef& ref) const {
    const bool held = std::ranges::any_of(partials_, [&](const cas::PartialEntry& partial) {
      return partial.held && names(ref, partial);
    });
    return held || std::ranges::any_of(ref.digests, [&](const base::Digest& digest) {
             return sizes_.contains(digest) && cas::is_open(store_, digest);
           });
  }

  Status evict(std::uint64_t target) {
    BlobSizes sizes = sizes_;
    const std::uint64_t fixed = count_partials(sizes);
    const auto going = refs_to_evict(roots_.refs, sizes, kept_, fixed, target,
                                     [this](const GcRef& ref) { return in_use(ref); });
    for (const std::size_t i : going) {
      const GcRef& ref = roots_.refs[i];
      if (deletes()) {
        CASTOOL_ASSIGN(auto refs, cas::RefStore::open(store_, ref.ns));
        CASTOOL_ASSIGN(const bool gone, refs.remove_if(ref.name, roots_.records[i], stop_));
        if (!gone) continue;  // used meanwhile
      }
      evicted_.insert(i);
      ++report_.removed_refs;
      report_.items.push_back({GcItem::Kind::kRef, ref.ns + " " + ref.name, 0, Why::kEvicted});
    }
    live_.clear();
    for (std::size_t i = 0; i < roots_.refs.size(); ++i) {
      if (evicted_.contains(i)) continue;
      live_.insert(roots_.refs[i].digests.begin(), roots_.refs[i].digests.end());
    }
    return base::ok();
  }

  void note_needs() {
    for (const auto& partial : partials_) {
      if (!partial.digest) continue;
      NeededBy needed = NeededBy::kNobody;
      for (std::size_t i = 0; i < roots_.refs.size() && needed != NeededBy::kRef; ++i) {
        const GcRef& ref = roots_.refs[i];
        if (!names(ref, partial)) continue;
        needed = evicted_.contains(i) ? NeededBy::kEvictedRef : NeededBy::kRef;
      }
      needs_[{*partial.digest, partial.origin}] = needed;
    }
  }

  Status sweep() {
    CASTOOL_RETURN_IF_ERROR(sweep_blobs());
    CASTOOL_RETURN_IF_ERROR(sweep_partials());
    CASTOOL_RETURN_IF_ERROR(sweep_quarantine());
    return deletes() ? cas::remove_strays(store_, stored_) : base::ok();
  }

  Status sweep_blobs() {
    for (const auto& blob : blobs_) {
      const bool stays = live_.contains(blob.digest) || kept_.contains(blob.digest);
      if (stays) {
        stored_.insert(blob.digest);
        report_.bytes_left += blob.size;
        continue;
      }
      if (stop_.stop_requested()) return cancelled();
      if (deletes()) CASTOOL_RETURN_IF_ERROR(cas::remove_blob(store_, blob, large_));
      ++report_.removed_blobs;
      freed({GcItem::Kind::kBlob, blob.digest.text(), blob.size, Why::kNoRef});
    }
    return base::ok();
  }

  Status sweep_partials() {
    for (const auto& partial : partials_) {
      // What others brought does not finish it.
      const bool stored = partial.digest && stored_.contains(*partial.digest) &&
                          cas::may_attach(store_, partial.origin, *partial.digest);
      const BlobIs blob = stored ? BlobIs::kStored : BlobIs::kMissing;
      const NeededBy needed =
          partial.digest ? needs_[{*partial.digest, partial.origin}] : NeededBy::kNobody;
      const auto why = partial_goes(partial, blob, needed, options_.partials, now());
      bool gone = why.has_value();
      if (gone && deletes()) {
        CASTOOL_ASSIGN(gone, cas::remove_partial(store_, partial.file));
      }
      if (!gone) {
        report_.bytes_left += partial.bytes;
        continue;
      }
      const std::string what = partial.digest ? partial.digest->text() : partial.file;
      freed({GcItem::Kind::kPartial, what, partial.bytes, *why});
    }
    return base::ok();
  }

  Status sweep_quarantine() {
    CASTOOL_ASSIGN(const auto old, cas::list_quarantine(store_, now() - kPartialLifeSeconds));
    for (const auto& [file, size] : old) {
      if (deletes()) CASTOOL_RETURN_IF_ERROR(cas::remove_quarantined(store_, file));
      freed({GcItem::Kind::kQuarantined, file, size, Why::kQuarantined});
    }
    return base::ok();
  }

  void freed(GcItem item) {
    report_.freed_bytes += item.bytes;
    report_.items.push_back(std::move(item));
  }

  static base::Error cancelled() {
    return base::make_error(base::Code::kCancelled, "interrupted", "the next gc goes on");
  }

  cas::Store& store_;
  const GcOptions& options_;
  const std::stop_token& stop_;
  ManifestDigests manifests_;
  std::vector<cas::StoredBlob> blobs_;
  BlobSizes sizes_;
  GcRoots roots_;
  std::vector<cas::PartialEntry> partials_;
  PartialKeys needs_;
  Digests live_;  // named by refs that stay
  Digests kept_;  // leased, or open without a ref
  Digests stored_;
  std::unordered_set<std::size_t> evicted_;
  std::vector<std::string> large_;
  GcReport report_;
};

}  // namespace

Result<GcReport> collect_garbage(cas::Store& store, const GcOptions& options,
                                 const std::stop_token& stop) {
  base::UniqueFd alone;
  if (options.mode == GcMode::kDelete) {
    CASTOOL_ASSIGN(alone, cas::lock_as_gc(store));
  }
  return Collection(store, options, stop).run();
}

}  // namespace castool::pull
