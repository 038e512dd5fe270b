#include "pull/reachability.h"

#include <algorithm>
#include <numeric>

namespace castool::pull {
namespace {

using Holders = std::unordered_map<base::Digest, std::size_t>;

std::uint64_t size_of(const BlobSizes& sizes, const base::Digest& digest) {
  const auto found = sizes.find(digest);
  return found == sizes.end() ? 0 : found->second;
}

// How many refs, and other keepers, each blob has.
Holders count_holders(std::span<const GcRef> refs, const Digests& kept) {
  Holders holders;
  for (const GcRef& ref : refs) {
    for (const auto& digest : ref.digests) ++holders[digest];
  }
  for (const auto& digest : kept) ++holders[digest];
  return holders;
}

std::uint64_t let_go(const GcRef& ref, const BlobSizes& sizes, Holders& holders) {
  std::uint64_t freed = 0;
  for (const auto& digest : ref.digests) {
    if (--holders[digest] == 0) freed += size_of(sizes, digest);
  }
  return freed;
}

// Whether all that is stored of it is held by somebody else.
bool would_free_nothing(const GcRef& ref, const BlobSizes& sizes, const Holders& holders) {
  return std::ranges::all_of(ref.digests, [&](const base::Digest& digest) {
    return holders.at(digest) > 0 || size_of(sizes, digest) == 0;
  });
}

}  // namespace

std::vector<std::size_t> refs_to_evict(std::span<const GcRef> refs, const BlobSizes& sizes,
                                       const Digests& kept, std::uint64_t fixed,
                                       std::uint64_t target,
                                       const std::function<bool(const GcRef&)>& in_use) {
  Holders holders = count_holders(refs, kept);
  std::uint64_t stored = fixed;
  for (const auto& [digest, count] : holders) stored += size_of(sizes, digest);

  std::vector<std::size_t> order(refs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return refs[i].last_used_at; });
  std::vector<std::size_t> going;
  for (const std::size_t i : order) {
    if (stored <= target) break;
    if (refs[i].pinned || in_use(refs[i])) continue;
    stored -= let_go(refs[i], sizes, holders);
    going.push_back(i);
  }
  // The most recently used first: of two that share everything with a third one both may stay.
  std::vector<std::size_t> gone;
  for (auto i = going.rbegin(); i != going.rend(); ++i) {
    if (!would_free_nothing(refs[*i], sizes, holders)) {
      gone.push_back(*i);
      continue;
    }
    for (const auto& digest : refs[*i].digests) ++holders[digest];
  }
  std::ranges::reverse(gone);
  return gone;
}

std::optional<Why> partial_goes(const cas::PartialEntry& partial, BlobIs blob, NeededBy needed,
                                PartialAge which, std::int64_t now) {
  if (partial.held) return std::nullopt;
  if (!partial.digest) return Why::kGarbage;
  if (blob == BlobIs::kStored) return Why::kStored;
  if (needed == NeededBy::kRef) return std::nullopt;
  if (needed == NeededBy::kEvictedRef) return Why::kEvicted;
  if (which == PartialAge::kAny) return Why::kAskedFor;
  if (now - partial.written_at > kPartialLifeSeconds) return Why::kAbandoned;
  return std::nullopt;
}

std::string_view word(Why why) {
  switch (why) {
    case Why::kNoRef: return "no model names it";
    case Why::kEvicted: return "least recently used";
    case Why::kGarbage: return "what is left of an unfinished pull";
    case Why::kStored: return "its blob is stored";
    case Why::kAbandoned: return "unfinished, and not written to for 7 days";
    case Why::kAskedFor: return "unfinished";
    case Why::kQuarantined: return "quarantined 7 days ago";
  }
  return "";
}

}  // namespace castool::pull
