#include "fusefs/store_blobs.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/thread.h"
#include "cas/partial.h"
#include "cas/read_file.h"
#include "manifest/file_header.h"

namespace castool::fusefs {
namespace {

base::Error not_stored(const base::Digest& digest) {
  base::Error error = base::make_error(base::Code::kNotFound, "the blob is not in the store",
                                       "pull the model again");
  error.digest = digest.text();
  return error;
}

bool allows(const MayRead& may_read, const BlobContent& wanted) {
  if (!wanted.home || wanted.home->complete) return true;
  return may_read && may_read(*wanted.home, wanted.digest);
}

bool same_file(int one, int other) {
  struct stat a {};
  struct stat b {};
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

}  // namespace

StoreBlobs::~StoreBlobs() {
  std::jthread checker;
  {
    const base::MutexLock lock(mutex_);
    checker = std::move(checker_);
    checker.request_stop();
    changed_.notify_all();
  }
}

base::Result<OpenedBlob> StoreBlobs::open(const BlobContent& wanted) {
  CASTOOL_ASSIGN(std::optional<cas::Blob> found, store_.find(wanted.digest));
  if (!found || !allows(may_read_, wanted)) return not_stored(wanted.digest);
  return open_again(*std::move(found));
}

base::Result<OpenedBlob> StoreBlobs::open_again(cas::Blob blob) {
  if (trust_ == Trust::kStore || store_.verified_this_boot(blob.digest, blob.fd.get()))
    return OpenedBlob{std::make_shared<const cas::Blob>(std::move(blob)), nullptr};
  auto checks = checks_for(std::move(blob));
  check_later(checks);
  return OpenedBlob{{checks, &checks->blob()}, checks};
}

bool StoreBlobs::needs_no_look(const BlobContent& wanted) {
  const auto found = store_.find(wanted.digest);
  if (!found || !*found || (*found)->size <= cas::kChunkSize) return false;
  if (!allows(may_read_, wanted)) return false;
  return trust_ == Trust::kStore || store_.verified_this_boot(wanted.digest, (*found)->fd.get());
}

std::shared_ptr<cas::CheckedBlob> StoreBlobs::checks_for(cas::Blob blob) {
  const base::Digest digest = blob.digest;
  {
    const base::MutexLock lock(mutex_);
    const auto known = checks_.find(digest);
    auto checks = known == checks_.end() ? nullptr : known->second.lock();
    // One that found damage belongs to a file that has been moved out of the way since.
    if (checks && checks->bad_chunks().empty()) return checks;
  }
  auto checks = std::make_shared<cas::CheckedBlob>(store_, std::move(blob));
  const base::MutexLock lock(mutex_);
  std::erase_if(checks_, [](const auto& entry) { return entry.second.expired(); });
  checks_[digest] = checks;
  return checks;
}

void StoreBlobs::check_later(const std::shared_ptr<cas::CheckedBlob>& blob) {
  if (blob->all_good()) return;
  const base::MutexLock lock(mutex_);
  for (const auto& other : waiting_) {
    if (other.lock() == blob) return;
  }
  waiting_.push_back(blob);
  if (!checker_.joinable()) {
    // Else it waits for the next open; until then each read is checked.
    auto begun = base::begin_thread([this](const std::stop_token& stop) { check_in_turn(stop); });
    if (begun) checker_ = *std::move(begun);
  }
  changed_.notify_all();
}

void StoreBlobs::check_in_turn(const std::stop_token& stop) {
  constexpr auto kIdle = std::chrono::minutes(1);
  while (!stop.stop_requested()) {
    std::shared_ptr<cas::CheckedBlob> next;
    {
      const base::MutexLock lock(mutex_);
      if (waiting_.empty() && !stop.stop_requested())
        changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kIdle);
      if (waiting_.empty()) continue;
      next = waiting_.front().lock();
    }
    const base::Status status = next ? next->check_all(stop) : base::ok();
    if (!status && status.error().code == base::Code::kDigestMismatch)
      found_damaged(next->blob(), status.error());
    const base::MutexLock lock(mutex_);
    waiting_.erase(waiting_.begin());
  }
}

void StoreBlobs::found_damaged(const cas::Blob& blob, const base::Error& error) {
  const auto now = store_.find(blob.digest);
  if (now && (!*now || !same_file((*now)->fd.get(), blob.fd.get()))) return;
  store_.log().error("{}", error.text());
  const base::Status moved = store_.quarantine(blob.digest);
  if (!moved) store_.log().error("cannot move it to quarantine: {}", moved.error().text());
}

base::Result<BlobStatus> StoreBlobs::status(const BlobContent& wanted) {
  CASTOOL_ASSIGN(const std::optional<std::uint64_t> size, store_.size_of(wanted.digest));
  if (!size || !allows(may_read_, wanted)) return BlobStatus{};
  return BlobStatus{BlobState::kVerified, *size};
}

base::Result<struct statvfs> StoreBlobs::space() {
  struct statvfs space {};
  if (::fstatvfs(store_.dir(), &space) != 0)
    return base::errno_error(errno, "statvfs of the store");
  return space;
}

base::Result<std::string> StoreManifests::load(const base::Digest& digest,
                                               std::uint64_t limit) const {
  auto bytes = store_.read_small(digest, limit);
  if (!bytes) store_.log().warn("cannot read manifest {}: {}", digest.text(), bytes.error().text());
  return bytes;
}

base::Result<manifest::GgufMetadata> StoreManifests::gguf(const BlobContent& wanted) const {
  const base::Digest& digest = wanted.digest;
  if (!allows(may_read_, wanted)) return not_stored(digest);
  // More than any namespace has; then all are read again.
  constexpr std::size_t kMostKept = 10'000;
  {
    const base::MutexLock lock(mutex_);
    if (const auto found = ggufs_.find(digest); found != ggufs_.end()) return found->second;
  }
  CASTOOL_ASSIGN(const std::optional<cas::Blob> blob, store_.find(digest));
  if (!blob) return not_stored(digest);
  const auto read = [&](std::span<std::byte> place) {
    return cas::read_at(blob->fd.get(), 0, place);
  };
  CASTOOL_ASSIGN(const std::vector<std::byte> front,
                 manifest::read_header(manifest::FileFormat::kGguf, blob->size, read));
  auto metadata = manifest::read_gguf(front);
  const base::MutexLock lock(mutex_);
  if (ggufs_.size() >= kMostKept) ggufs_.clear();
  ggufs_.emplace(digest, metadata);
  return metadata;
}

base::Result<std::uint64_t> StoreManifests::size(const base::Digest& digest) const {
  CASTOOL_ASSIGN(const std::optional<std::uint64_t> size, store_.size_of(digest));
  if (!size) return not_stored(digest);
  return *size;
}

}  // namespace castool::fusefs
