#include "pull/lazy_blobs.h"

#include <algorithm>
#include <utility>

#include "pull/ref_completion.h"

namespace castool::pull {
namespace {

using base::MutexLock;
using base::Result;

// Of one endpoint, so that one that is away does not keep the others waiting. Each has a thread
// that fetches and one that hashes; one hashes its end while another fetches.
constexpr std::size_t kMostFills = 4;
// How long an origin that does not send what it promises is not asked again.
constexpr auto kDamageLasts = std::chrono::minutes(5);

std::string endpoint_of(const LazyBlob& blob) {
  return blob.key().origin.substr(0, blob.key().origin.find(' '));
}

}  // namespace

LazyReader::LazyReader(LazyBlobs& blobs, std::shared_ptr<LazyBlob> blob)
    : blobs_(blobs), blob_(std::move(blob)) {
  blob_->add_reader();
}

LazyReader::~LazyReader() {
  blob_->drop_reader();
  blobs_.may_be_idle(std::move(blob_));
}

LazyBlobs::LazyBlobs(cas::Store& store, cas::RefStore& refs, const Origins& origins,
                     Networks::MakeTransport make, const fetch::DownloadLimits& limits,
                     LazyOptions options, base::Clock& clock, base::Log& log)
    : store_(store),
      refs_(refs),
      origins_(origins),
      clock_(clock),
      log_(log),
      options_(options),
      networks_(std::move(make), limits, clock, log),
      sources_(store, origins, clock, log),
      rights_(store, refs.ns()),
      gate_(clock),
      allowance_(store, refs.ns()) {}

LazyBlobs::~LazyBlobs() {
  std::map<Key, std::shared_ptr<LazyBlob>> blobs;
  {
    const MutexLock lock(mutex_);
    blobs = std::exchange(blobs_, {});
    to_fill_.clear();
  }
  // All are told before the first is waited for.
  for (const auto& [key, blob] : blobs) blob->close();
  blobs.clear();
  deliveries_.finish();
  chores_.finish();
}

LazyBlobs::Key LazyBlobs::key_of(const LazyBlob& blob) {
  return {blob.key().digest, blob.key().origin};
}

std::optional<base::Error> LazyBlobs::known_damage(const Key& key) {
  const auto known = damaged_.find(key);
  if (known == damaged_.end()) return std::nullopt;
  if (clock_.now() < known->second.until) return known->second.error;
  damaged_.erase(known);
  return std::nullopt;
}

Result<std::shared_ptr<LazyBlob>> LazyBlobs::blob_of(const BlobHome& home,
                                                     const base::Digest& digest,
                                                     std::uint64_t size) {
  const Key key{digest, home.origin};
  {
    const MutexLock lock(mutex_);
    if (auto damage = known_damage(key)) return *std::move(damage);
    const auto known = blobs_.find(key);
    if (known != blobs_.end()) return known->second;
  }
  const LazyParts parts{store_,   networks_, sources_, deliveries_, gate_, allowance_,
                        origins_, options_,  clock_,   log_,        *this};
  CASTOOL_ASSIGN(auto fresh, LazyBlob::open(parts, home, digest, size));
  const MutexLock lock(mutex_);
  // Of two who open it at once the first one's is shared; the other goes with `fresh`, unused.
  return blobs_.try_emplace(key, std::move(fresh)).first->second;
}

Result<std::shared_ptr<LazyReader>> LazyBlobs::open(const BlobHome& home,
                                                    const base::Digest& digest,
                                                    std::uint64_t size) {
  CASTOOL_ASSIGN(auto blob, blob_of(home, digest, size));
  return std::make_shared<LazyReader>(*this, std::move(blob));
}

void LazyBlobs::may_be_idle(std::shared_ptr<LazyBlob> blob) {
  const Key key = key_of(*blob);
  chores_.post([this, key, blob = std::move(blob)]() mutable {
    const LazyBlob* which = blob.get();
    blob.reset();
    drop_if_idle(key, which);
  });
}

LazyBlobs::Status LazyBlobs::status(const BlobHome& home, const base::Digest& digest) {
  const Key key{digest, home.origin};
  {
    const MutexLock lock(mutex_);
    if (known_damage(key)) return {true, 0};
    const auto known = blobs_.find(key);
    if (known != blobs_.end()) return {false, known->second->bytes_present()};
  }
  const auto partial = cas::find_partial(store_, digest, home.origin);
  return {false, partial && *partial ? (*partial)->present : 0};
}

void LazyBlobs::fill(const BlobHome& home, const base::Digest& digest, std::uint64_t size) {
  if (origins_.offline) return;
  const auto stored = store_.size_of(digest);
  if (stored && *stored && rights_.may_read(home.origin, digest)) return;
  auto blob = blob_of(home, digest, size);
  if (blob) {
    queue_fill(*std::move(blob));
  } else {
    log_.warn("{} is not filled: {}", digest.text(), blob.error().text());
  }
}

void LazyBlobs::wants_fill(LazyBlob& blob) { queue_fill(blob.shared_from_this()); }

void LazyBlobs::queue_fill(std::shared_ptr<LazyBlob> blob) {
  {
    const MutexLock lock(mutex_);
    to_fill_.push_back(std::move(blob));
  }
  chores_.post([this] { begin_fills(); });
}

void LazyBlobs::begin_fills() {
  while (const auto next = next_fill()) next->begin_fill();
}

std::shared_ptr<LazyBlob> LazyBlobs::next_fill() {
  const MutexLock lock(mutex_);
  std::erase_if(to_fill_, [this](const auto& blob)
                              CASTOOL_REQUIRES(mutex_) { return filling_.contains(blob.get()); });
  for (auto place = to_fill_.begin(); place != to_fill_.end(); ++place) {
    const std::string endpoint = endpoint_of(**place);
    const auto busy = std::count_if(filling_.begin(), filling_.end(),
                                    [&](const auto& each) { return each.second == endpoint; });
    if (static_cast<std::size_t>(busy) >= kMostFills) continue;
    auto next = std::move(*place);
    to_fill_.erase(place);
    filling_.emplace(next.get(), endpoint);
    return next;
  }
  return nullptr;
}

void LazyBlobs::fill_ended(LazyBlob& blob) {
  {
    const MutexLock lock(mutex_);
    filling_.erase(&blob);
  }
  chores_.post([this] { begin_fills(); });
}

void LazyBlobs::verified(LazyBlob& blob) {
  {
    const MutexLock lock(mutex_);
    verified_.insert(blob.key().digest);
  }
  chores_.post([this] { note_complete(); });
}

// Looking at refs takes a while where there are many: one look for all blobs that came meanwhile.
void LazyBlobs::note_complete() {
  std::set<base::Digest> blobs;
  {
    const MutexLock lock(mutex_);
    blobs = std::exchange(verified_, {});
  }
  if (blobs.empty()) return;
  const auto completed = complete_refs_of(store_, refs_, blobs);
  if (!completed) log_.warn("cannot note what is complete now: {}", completed.error().text());
}

void LazyBlobs::spoilt(LazyBlob& blob, Spoilt how, const base::Error& error) {
  const Key key = key_of(blob);
  std::shared_ptr<LazyBlob> gone;
  {
    const MutexLock lock(mutex_);
    const auto known = blobs_.find(key);
    // Who opens it from now on gets another one, or the stored blob; the chores let go of this.
    if (known != blobs_.end() && known->second.get() == &blob) {
      gone = std::move(known->second);
      blobs_.erase(known);
    }
    if (how == Spoilt::kDamaged) {
      damaged_.insert_or_assign(key, Damage{error, clock_.now() + clock_.scaled(kDamageLasts)});
    }
  }
  if (!gone) return;
  chores_.post([this, gone = std::move(gone), how] {
    if (how != Spoilt::kDamaged) return;
    const auto marked = mark_damaged(refs_, gone->home().name, gone->home().manifest);
    if (!marked) log_.warn("cannot note the damage: {}", marked.error().text());
  });
}

void LazyBlobs::may_be_idle(LazyBlob& blob) {
  chores_.post([this, key = key_of(blob), which = &blob] { drop_if_idle(key, which); });
}

// The last use of a partial syncs it, so this is no work for a reader's thread.
void LazyBlobs::drop_if_idle(const Key& key, const LazyBlob* which) {
  std::shared_ptr<LazyBlob> blob;
  {
    const MutexLock lock(mutex_);
    const auto known = blobs_.find(key);
    if (known == blobs_.end() || known->second.get() != which) return;
    blob = known->second;
  }
  if (!blob->idle() || blob->verify_if_complete()) return;
  const MutexLock lock(mutex_);
  const auto known = blobs_.find(key);
  // Nobody opened it again meanwhile: the map's and ours are the only ones.
  if (known != blobs_.end() && known->second == blob && blob.use_count() == 2) blobs_.erase(known);
}

}  // namespace castool::pull
